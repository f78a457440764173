"""Where pnnx, onnx2ncnn, ncnn and the Vulkan driver come from, and which routes they allow."""
