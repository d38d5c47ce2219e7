// The device of a gate, and its file in tests/devices, which routing is tested with.
#pragma once

#include <string>

#include "drivers/driver_list.hpp"
#include "weft/traits.hpp"

namespace weft::drivers {

// Whether `traits` are of the chip that the file describes: a driver that no longer heeds its
// variable would show the same chip under every name. A file that is not there asks for nothing.
// Errors: unsupported (another chip), invalid_argument (not a file of tests/devices).
Result<void> check_chip(const DeviceTraits& traits, const std::string& path);

// Where a device was seen, for its file.
std::string source_of(const DeviceTraits& traits, const Driver& driver);

}  // namespace weft::drivers
