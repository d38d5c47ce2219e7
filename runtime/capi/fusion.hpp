// The structs of weft/fusion.h in C++.
#pragma once

#include "capi/structs.hpp"
#include "weft/families.hpp"

namespace weft::capi {

template <>
inline constexpr size_t kRequiredBytes<weft_norm> = offsetof(weft_norm, weight);
template <>
inline constexpr size_t kRequiredBytes<weft_projection> = offsetof(weft_projection, bias);
template <>
inline constexpr size_t kRequiredBytes<weft_feed_forward_block> = offsetof(weft_feed_forward_block,
                                                                           gate_up);
template <>
inline constexpr size_t kRequiredBytes<weft_attention_source> = offsetof(weft_attention_source,
                                                                         context_norm);
template <>
inline constexpr size_t kRequiredBytes<weft_cross_attention_block> =
    offsetof(weft_cross_attention_block, query);
template <>
inline constexpr size_t kRequiredBytes<weft_source_call> = offsetof(weft_source_call, prepared_key);
template <>
inline constexpr size_t kRequiredBytes<weft_cross_attention_call> =
    offsetof(weft_cross_attention_call, prepared_key);
template <>
inline constexpr size_t kRequiredBytes<weft_prepare_call> = offsetof(weft_prepare_call,
                                                                     context_position);
template <>
inline constexpr size_t kRequiredBytes<weft_joint_attention_call> =
    offsetof(weft_joint_attention_call, logsumexp);
template <>
inline constexpr size_t kRequiredBytes<weft_chunked_attention_call> =
    offsetof(weft_chunked_attention_call, chunk_len);
template <>
inline constexpr size_t kRequiredBytes<weft_similarity_block> = offsetof(weft_similarity_block,
                                                                         left);
template <>
inline constexpr size_t kRequiredBytes<weft_family_options> = offsetof(weft_family_options, heads);
template <>
inline constexpr size_t kRequiredBytes<weft_fusion_call> = offsetof(weft_fusion_call, query);
// Filled by the library.
template <>
inline constexpr size_t kRequiredBytes<weft_family_info> = offsetof(weft_family_info, name);
template <>
inline constexpr size_t kRequiredBytes<weft_found_block> = offsetof(weft_found_block, family);

template <>
inline constexpr uint32_t kFlags<weft_feed_forward_block> = WEFT_BLOCK_NO_RESIDUAL;
template <>
inline constexpr uint32_t kFlags<weft_cross_attention_block> = 15;

// What is NULL is left out.
Result<Projection> read_projection(Function function, const char* argument,
                                   const weft_projection* in);
// These must be given.
Result<FeedForward> read_feed_forward(Function function, const char* argument,
                                      const weft_feed_forward_block* in);
Result<CrossAttentionBlock> read_block(Function function, const char* argument,
                                       const weft_cross_attention_block* in);
Result<CrossAttentionCall> read_cross_call(Function function, const char* argument,
                                           weft_recorder* recorder,
                                           const weft_cross_attention_call* in);
// The sources of a call.
Result<std::vector<SourceCall>> read_sources(Function function, const char* argument,
                                             const weft_source_call* const* in, uint32_t count);
// Options of an attention: none where NULL.
Result<AttentionCall> read_options(Function function, const char* argument,
                                   const weft_attention_call* in);

// The caller's callback (attend.cpp); empty where it is NULL.
AttentionFunction to_function(Function function, weft_recorder* recorder,
                              weft_attend_callback attend, void* user);

// Lists are arrays of pointers, so that their structs may grow.
template <class Item, class Read>
auto read_list(Function function, const char* argument, const Item* const* in, uint32_t count,
               Read read_item)
    -> Result<std::vector<typename decltype(read_item(function, argument, *in))::value_type>> {
  std::vector<typename decltype(read_item(function, argument, *in))::value_type> out;
  if (count > 0) WEFT_TRY(function.given(argument, in));
  for (uint32_t i = 0; i < count; ++i) {
    const std::string name = text(argument, "[", i, "]");
    WEFT_TRY(function.given(name.c_str(), in[i]));
    WEFT_ASSIGN(auto item, read_item(function, name.c_str(), in[i]));
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace weft::capi
