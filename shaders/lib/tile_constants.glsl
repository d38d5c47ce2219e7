// Specialization constants of the kernels that keep tiles of query, key and value in shared memory.
#ifndef WEFT_TILE_CONSTANTS_GLSL
#define WEFT_TILE_CONSTANTS_GLSL

layout(local_size_x_id = WEFT_ATTENTION_LOCAL_SIZE) in;
layout(constant_id = WEFT_ATTENTION_LOCAL_SIZE) const uint kLocalSize = 64;
layout(constant_id = WEFT_ATTENTION_HEAD_DIM) const uint kHeadDim = 64;
layout(constant_id = WEFT_ATTENTION_VALUE_DIM) const uint kValueDim = 64;
layout(constant_id = WEFT_ATTENTION_ROWS) const uint kRows = 2;
layout(constant_id = WEFT_ATTENTION_BLOCK_KV) const uint kBlockKv = 32;
layout(constant_id = WEFT_ATTENTION_VALUE_CHUNK) const uint kValueChunk = 64;
layout(constant_id = WEFT_ATTENTION_HOLD_QUERY) const bool kHoldQuery = true;
layout(constant_id = WEFT_ATTENTION_QUERY_TYPE) const uint kQueryType = 0;
layout(constant_id = WEFT_ATTENTION_KV_TYPE) const uint kKvType = 0;
layout(constant_id = WEFT_ATTENTION_OUTPUT_TYPE) const uint kOutputType = 0;
layout(constant_id = WEFT_ATTENTION_MASK_KIND) const uint kMaskKind = 0;
layout(constant_id = WEFT_ATTENTION_MASK_TYPE) const uint kMaskType = 0;
layout(constant_id = WEFT_ATTENTION_HAS_BIAS) const bool kHasBias = false;
layout(constant_id = WEFT_ATTENTION_BIAS_TYPE) const uint kBiasType = 0;
layout(constant_id = WEFT_ATTENTION_FEATURES) const uint kFeatures = 0;
layout(constant_id = WEFT_ATTENTION_ALIGNED) const bool kAligned = true;
layout(constant_id = WEFT_ATTENTION_BLOCK_Q) const uint kBlockQ = 16;

layout(push_constant, std430) uniform Push { AttentionPush push; };

#endif
