// All of Weft's C++ API.
#pragma once

#include "weft/alignment.hpp"
#include "weft/attention.hpp"
#include "weft/attention_edit.hpp"
#include "weft/attention_map.hpp"
#include "weft/device.hpp"
#include "weft/error.hpp"
#include "weft/families.hpp"
#include "weft/fusion.hpp"
#include "weft/ops.hpp"
#include "weft/recorder.hpp"
#include "weft/tensor.hpp"
#include "weft/tensor_source.hpp"
#include "weft/traits.hpp"
#include "weft/tune.hpp"
#include "weft/version.hpp"
