"""Many jobs at once: claimed from a folder, done by this process, by workers or by a cluster, each once."""
