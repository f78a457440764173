"""Running converted models: isolated ncnn worker processes and their protocol."""
