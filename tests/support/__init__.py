"""What tests of more than one area need: servers, databases, builders."""
