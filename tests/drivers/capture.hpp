// Stands between Weft and a Vulkan driver: sees every pipeline that Weft makes and asks the driver
// what its compiler made of it. Work is not run: submissions count as done at once, as the driver
// may be one without a device.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "vulkan/functions.hpp"

namespace weft::drivers {

// What the driver says of one executable: a pipeline has one, or one for each width that it may run
// at.
struct Executable {
  std::string name;
  std::vector<std::pair<std::string, double>> statistics;
};

struct Compiled {
  double seconds = 0;
  std::vector<Executable> executables;
};

// The functions to give to Weft in place of the loader's. One device a process: Vulkan's functions
// take no user data. `with_statistics`: the device has VK_KHR_pipeline_executable_properties.
PFN_vkGetInstanceProcAddr capture(PFN_vkGetInstanceProcAddr real, bool with_statistics);

// The pipeline of that handle; null: not made through capture.
const Compiled* compiled(VkPipeline pipeline);

}  // namespace weft::drivers
