"""Container images: where a reference leads, and its layers as a root file system."""
