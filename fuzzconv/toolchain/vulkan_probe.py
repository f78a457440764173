"""Ask ncnn and the Vulkan loader about the default device; run as a child process, prints one JSON line.

``python -m fuzzconv.toolchain.vulkan_probe``. A child, because drivers and ncnn are native code that may
crash here. ncnn's Python API knows no driver name, so the loader is asked for it through ctypes (structures
of the Vulkan 1.2 specification: ``VkPhysicalDeviceProperties2`` with ``VkPhysicalDeviceDriverProperties``).
"""

from __future__ import annotations

import ctypes
import json

_APPLICATION_INFO = 0
_INSTANCE_CREATE_INFO = 1
_PROPERTIES_2 = 1000059001
_DRIVER_PROPERTIES = 1000196000
_VERSION_1_2 = (1 << 22) | (2 << 12)
_MOST_DEVICES = 16


class _ApplicationInfo(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_uint32),
        ("next", ctypes.c_void_p),
        ("application_name", ctypes.c_char_p),
        ("application_version", ctypes.c_uint32),
        ("engine_name", ctypes.c_char_p),
        ("engine_version", ctypes.c_uint32),
        ("api_version", ctypes.c_uint32),
    )


class _InstanceCreateInfo(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_uint32),
        ("next", ctypes.c_void_p),
        ("flags", ctypes.c_uint32),
        ("application", ctypes.POINTER(_ApplicationInfo)),
        ("layer_count", ctypes.c_uint32),
        ("layers", ctypes.c_void_p),
        ("extension_count", ctypes.c_uint32),
        ("extensions", ctypes.c_void_p),
    )


class _DriverProperties(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_uint32),
        ("next", ctypes.c_void_p),
        ("driver_id", ctypes.c_uint32),
        ("name", ctypes.c_char * 256),
        ("info", ctypes.c_char * 256),
        ("conformance", ctypes.c_uint8 * 4),
    )


class _Properties2(ctypes.Structure):
    """``properties`` is cut to the leading fields; the padding holds its limits (800 bytes are enough)."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("next", ctypes.c_void_p),
        ("api_version", ctypes.c_uint32),
        ("driver_version", ctypes.c_uint32),
        ("vendor_id", ctypes.c_uint32),
        ("device_id", ctypes.c_uint32),
        ("device_type", ctypes.c_uint32),
        ("device_name", ctypes.c_char * 256),
        ("rest", ctypes.c_uint8 * 800),
    )


def driver_of(device_name: str) -> str:
    """``NAME: INFO`` of the driver behind a device, empty when the loader can't tell.

    The instance is left to the end of the process.
    """
    try:
        vulkan = ctypes.CDLL("libvulkan.so.1")
        get_properties = vulkan.vkGetPhysicalDeviceProperties2
    except (OSError, AttributeError):
        return ""
    application = _ApplicationInfo(type=_APPLICATION_INFO, api_version=_VERSION_1_2)
    create = _InstanceCreateInfo(type=_INSTANCE_CREATE_INFO, application=ctypes.pointer(application))
    instance = ctypes.c_void_p()
    if vulkan.vkCreateInstance(ctypes.byref(create), None, ctypes.byref(instance)) != 0:
        return ""
    count = ctypes.c_uint32(_MOST_DEVICES)
    devices = (ctypes.c_void_p * _MOST_DEVICES)()
    vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), devices)
    get_properties.restype = None
    for handle in devices[: count.value]:
        driver = _DriverProperties(type=_DRIVER_PROPERTIES)
        properties = _Properties2(type=_PROPERTIES_2, next=ctypes.addressof(driver))
        get_properties(ctypes.c_void_p(handle), ctypes.byref(properties))
        if properties.device_name.decode(errors="replace") == device_name:
            parts = (driver.name, driver.info)
            return ": ".join(part.decode(errors="replace") for part in parts if part)
    return ""


def main() -> int:
    """Print what ncnn says of its default device; ``{"devices": 0}`` when there is none."""
    try:
        import ncnn
    except ImportError as error:
        print(json.dumps({"import_error": str(error)}))
        return 0
    answer: dict[str, str | int] = {"devices": ncnn.get_gpu_count()}
    if answer["devices"]:
        info = ncnn.get_gpu_info(ncnn.get_default_gpu_index())
        version = info.api_version()
        answer["device"] = info.device_name()
        answer["driver"] = driver_of(info.device_name())
        answer["api_version"] = f"{version >> 22}.{(version >> 12) & 0x3FF}.{version & 0xFFF}"
    print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
