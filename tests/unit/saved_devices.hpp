// The devices of tests/devices, as their drivers describe them: no quirk is applied.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "weft/error.hpp"
#include "weft/traits.hpp"

namespace weft::test {

struct SavedDevice {
  DeviceTraits traits;
  std::string source;
  std::vector<std::string>
      assumed;  // members that the source doesn't tell; they are minimum.json's
};

// A file of tests/devices; what it leaves out is taken from `minimum`. Errors: invalid_argument
// (not readable, not of this form, a member that is neither told nor assumed, or both).
Result<SavedDevice> read_device(const std::string& path, const DeviceTraits& minimum);

// All of tests/devices by the name of their file, minimum among them. Errors: as read_device,
// naming the file.
Result<std::map<std::string, SavedDevice>> saved_devices();

}  // namespace weft::test
