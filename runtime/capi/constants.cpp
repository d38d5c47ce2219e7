// The C header's numbers are the C++ headers' numbers, and its structs keep their places; checked
// while compiling.
#include "weft.h"
#include "weft/weft.hpp"

namespace weft::capi {

#define WEFT_SAME(c, cpp) static_assert(static_cast<int64_t>(c) == static_cast<int64_t>(cpp))

WEFT_SAME(WEFT_OK, Code::ok);
WEFT_SAME(WEFT_INVALID_ARGUMENT, Code::invalid_argument);
WEFT_SAME(WEFT_UNSUPPORTED, Code::unsupported);
WEFT_SAME(WEFT_OUT_OF_MEMORY, Code::out_of_memory);
WEFT_SAME(WEFT_DEVICE_LOST, Code::device_lost);
WEFT_SAME(WEFT_NO_DEVICE, Code::no_device);
WEFT_SAME(WEFT_TIMEOUT, Code::timeout);
WEFT_SAME(WEFT_INTERNAL, Code::internal);

WEFT_SAME(WEFT_LOG_ERROR, LogLevel::error);
WEFT_SAME(WEFT_LOG_WARNING, LogLevel::warning);
WEFT_SAME(WEFT_LOG_INFO, LogLevel::info);

WEFT_SAME(WEFT_DEVICE_TYPE_OTHER, DeviceType::other);
WEFT_SAME(WEFT_DEVICE_TYPE_INTEGRATED, DeviceType::integrated);
WEFT_SAME(WEFT_DEVICE_TYPE_DISCRETE, DeviceType::discrete);
WEFT_SAME(WEFT_DEVICE_TYPE_VIRTUAL_GPU, DeviceType::virtual_gpu);
WEFT_SAME(WEFT_DEVICE_TYPE_CPU, DeviceType::cpu);

WEFT_SAME(WEFT_MEMORY_DEVICE, Memory::device);
WEFT_SAME(WEFT_MEMORY_UPLOAD, Memory::upload);
WEFT_SAME(WEFT_MEMORY_READBACK, Memory::readback);

WEFT_SAME(WEFT_DTYPE_F32, DType::f32);
WEFT_SAME(WEFT_DTYPE_F16, DType::f16);
WEFT_SAME(WEFT_DTYPE_BF16, DType::bf16);
WEFT_SAME(WEFT_DTYPE_I32, DType::i32);
WEFT_SAME(WEFT_DTYPE_U8, DType::u8);

WEFT_SAME(WEFT_MASK_NONE, MaskKind::none);
WEFT_SAME(WEFT_MASK_KEEP, MaskKind::keep);
WEFT_SAME(WEFT_MASK_DROP, MaskKind::drop);

WEFT_SAME(WEFT_FEATURE_KV_LENGTHS, kFeatureKvLengths);
WEFT_SAME(WEFT_FEATURE_LOGSUMEXP, kFeatureLogsumexp);
WEFT_SAME(WEFT_FEATURE_WINDOW, kFeatureWindow);
WEFT_SAME(WEFT_FEATURE_POSITION_OFFSETS, kFeaturePositionOffsets);
WEFT_SAME(WEFT_FEATURE_PACKED_QUERY, kFeaturePackedQuery);
WEFT_SAME(WEFT_FEATURE_PACKED_KV, kFeaturePackedKv);
WEFT_SAME(WEFT_FEATURE_REGIONS, kFeatureRegions);
WEFT_SAME(WEFT_FEATURE_REGION_MASK, kFeatureRegionMask);
WEFT_SAME(WEFT_FEATURE_SOFTCAP, kFeatureSoftcap);
WEFT_SAME(WEFT_FEATURE_SINKS, kFeatureSinks);
WEFT_SAME(WEFT_FEATURE_NULL_KEYS, kFeatureNullKeys);
WEFT_SAME(WEFT_FEATURE_SCORE_ITEMS, kFeatureScoreItems);
WEFT_SAME(WEFT_FEATURE_VALUE_ITEMS, kFeatureValueItems);
WEFT_SAME(WEFT_FEATURE_WEIGHTS, kFeatureWeights);
WEFT_SAME(2 * WEFT_FEATURE_WEIGHTS - 1, kAllFeatures);  // each has a name here

WEFT_SAME(WEFT_WEIGHTS_SCALED, WeightsStage::scaled);
WEFT_SAME(WEFT_WEIGHTS_CAPPED, WeightsStage::capped);
WEFT_SAME(WEFT_WEIGHTS_MASKED, WeightsStage::masked);
WEFT_SAME(WEFT_WEIGHTS_PROBABILITIES, WeightsStage::probabilities);

WEFT_SAME(WEFT_ACTIVATION_NONE, Activation::none);
WEFT_SAME(WEFT_ACTIVATION_RELU, Activation::relu);
WEFT_SAME(WEFT_ACTIVATION_SILU, Activation::silu);
WEFT_SAME(WEFT_ACTIVATION_GELU, Activation::gelu);
WEFT_SAME(WEFT_ACTIVATION_GELU_TANH, Activation::gelu_tanh);
WEFT_SAME(WEFT_ACTIVATION_QUICK_GELU, Activation::quick_gelu);

WEFT_SAME(WEFT_GATE_NONE, GateKind::none);
WEFT_SAME(WEFT_GATE_VALUE, GateKind::value);
WEFT_SAME(WEFT_GATE_TANH, GateKind::tanh);

WEFT_SAME(WEFT_NORM_NONE, NormKind::none);
WEFT_SAME(WEFT_NORM_LAYER, NormKind::layer);
WEFT_SAME(WEFT_NORM_RMS, NormKind::rms);

// The sizes of ABI version 1 with 64-bit pointers. A struct may grow at its end; then its number
// here does.
#define WEFT_SIZE(type, bytes) static_assert(sizeof(void*) != 8 || sizeof(type) == (bytes))

WEFT_SIZE(weft_error, 2048);
WEFT_SIZE(weft_allocator, 40);
WEFT_SIZE(weft_device_options, 88);
WEFT_SIZE(weft_traits, 160);
WEFT_SIZE(weft_tensor, 96);
WEFT_SIZE(weft_program_options, 8);
WEFT_SIZE(weft_stats, 32);
WEFT_SIZE(weft_operation_time, 56);
WEFT_SIZE(weft_attention_call, 208);
WEFT_SIZE(weft_attention_desc, 52);
WEFT_SIZE(weft_attention_weights_call, 56);
WEFT_SIZE(weft_attention_merge_call, 56);
WEFT_SIZE(weft_linear_call, 40);
WEFT_SIZE(weft_norm_call, 40);
WEFT_SIZE(weft_add_call, 48);
WEFT_SIZE(weft_multiply_call, 32);
WEFT_SIZE(weft_gather_call, 32);
WEFT_SIZE(weft_mix_keys_call, 40);
WEFT_SIZE(weft_rotary_call, 32);
WEFT_SIZE(weft_norm, 32);
WEFT_SIZE(weft_projection, 24);
WEFT_SIZE(weft_gate, 16);
WEFT_SIZE(weft_feed_forward_block, 64);
WEFT_SIZE(weft_attention_source, 32);
WEFT_SIZE(weft_cross_attention_block, 152);
WEFT_SIZE(weft_source_call, 56);
WEFT_SIZE(weft_cross_attention_call, 128);
WEFT_SIZE(weft_prepare_call, 32);
WEFT_SIZE(weft_joint_attention_call, 32);
WEFT_SIZE(weft_chunked_attention_call, 80);
WEFT_SIZE(weft_similarity_block, 24);
WEFT_SIZE(weft_family_info, 40);
WEFT_SIZE(weft_tensor_source, 48);
WEFT_SIZE(weft_found_block, 72);
WEFT_SIZE(weft_family_options, 32);
WEFT_SIZE(weft_fusion_call, 128);
WEFT_SIZE(weft_tune_options, 32);
WEFT_SIZE(weft_tune_row, 32);
WEFT_SIZE(weft_tune_report, 40);

}  // namespace weft::capi
