"""Files and the process: atomic writes, tensor files, the cache folder, downloads, process settings. Knows no image."""
