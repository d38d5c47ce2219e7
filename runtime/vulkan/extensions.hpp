// The extensions of a physical device, and chains of structures to ask them with.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "vulkan/functions.hpp"

namespace weft::vulkan {

class Extensions {
 public:
  Extensions(const InstanceFunctions& vk, VkPhysicalDevice physical) {
    uint32_t count = 0;
    vk.vkEnumerateDeviceExtensionProperties(physical, nullptr, &count, nullptr);
    all_.resize(count);
    vk.vkEnumerateDeviceExtensionProperties(physical, nullptr, &count, all_.data());
    all_.resize(std::min<size_t>(count, all_.size()));
  }
  bool have(std::string_view name) const {
    return std::ranges::any_of(all_, [&](const auto& one) { return name == one.extensionName; });
  }

 private:
  std::vector<VkExtensionProperties> all_;
};

// A chain of structures to be filled.
template <class Root>
class Chain {
 public:
  explicit Chain(Root& root) : last_(&root.pNext) {}
  template <class Structure>
  void add(Structure& structure) {
    *last_ = &structure;
    last_ = &structure.pNext;
  }

 private:
  void** last_;
};

}  // namespace weft::vulkan
