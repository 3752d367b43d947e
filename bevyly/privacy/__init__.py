"""Rights of people about whom we keep data, and how long anything is kept: what the API and the pipelines share."""
