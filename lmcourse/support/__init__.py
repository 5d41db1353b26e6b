"""What several topics share: timing, the device, files, plots, texts, the map of the course."""
