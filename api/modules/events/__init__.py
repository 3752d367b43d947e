"""The area events of the API: changes that other systems send."""
