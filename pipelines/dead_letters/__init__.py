"""Dead letters: recording them with the offset, stopping a consumer that makes too many, putting them right."""
