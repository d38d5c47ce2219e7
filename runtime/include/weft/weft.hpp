// All of Weft's C++ API.
#pragma once

#include "weft/attention.hpp"
#include "weft/device.hpp"
#include "weft/error.hpp"
#include "weft/ops.hpp"
#include "weft/recorder.hpp"
#include "weft/tensor.hpp"
#include "weft/traits.hpp"
#include "weft/tune.hpp"
#include "weft/version.hpp"
