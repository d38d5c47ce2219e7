// The implementation of volk.
#define VOLK_IMPLEMENTATION
#include "vulkan/volk.hpp"
