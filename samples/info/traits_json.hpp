// Device traits as JSON: what weft_info prints, and what the tests read.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "weft/error.hpp"
#include "weft/traits.hpp"

namespace info {

// Every trait under the name of its member. Types, scopes and bits are words ("discrete", ["basic",
// "vote"]), versions of Vulkan are "1.3.204", matrix shapes "16x16x16 f16->f32 subgroup".
nlohmann::ordered_json to_json(const weft::DeviceTraits& traits);

// Sets the traits that `from` names; the others stay. Names of those that `from` lacks go to
// `missing`. Errors: invalid_argument, naming the member that is unknown or has no such value.
weft::Result<void> from_json(const nlohmann::ordered_json& from, weft::DeviceTraits& traits,
                             std::vector<std::string>& missing);

// Writes a device as tests/devices keeps it: what its driver says, and where that was seen.
// Errors: invalid_argument (quirks have edited the traits, `path` can't be written).
weft::Result<void> save_device(const weft::DeviceTraits& traits, const std::string& source,
                               const std::string& path);

}  // namespace info
