"""What stands between a request and its route: who asks, may they, how often, in which unit of work."""
