// The rules of a description, and whether a call fits one.
#include "attention/validate.hpp"
#include "base/text.hpp"
#include "decide/select.hpp"

namespace weft::attention_detail {
namespace {

using checks::Rules;

std::string_view name_of(MaskKind mask) {
  return mask == MaskKind::keep ? "keep_mask" : mask == MaskKind::drop ? "drop_mask" : "none";
}

}  // namespace

Result<AttentionDesc> validate(const AttentionDesc& desc) {
  const Rules rules{"attention"};
  const auto check_type = [&](const char* name, DType dtype) -> Result<void> {
    if (checks::is_floating(dtype)) return {};
    return rules.broken(text(name, " is ", dtype, "; it must be f32, f16 or bf16"));
  };
  const auto check_size = [&](const char* name, uint32_t size) -> Result<void> {
    if (size >= 1 && size <= kMaxDim) return {};
    return rules.broken(text(name, " is ", size, "; it must be 1 to ", kMaxDim));
  };
  AttentionDesc result = desc;
  if (result.value_dim == 0) result.value_dim = result.head_dim;
  WEFT_TRY(check_type("query_dtype", desc.query_dtype));
  WEFT_TRY(check_type("kv_dtype", desc.kv_dtype));
  WEFT_TRY(check_type("output_dtype", desc.output_dtype));
  WEFT_TRY(check_size("head_dim", result.head_dim));
  WEFT_TRY(check_size("value_dim", result.value_dim));
  if (desc.mask < MaskKind::none || desc.mask > MaskKind::drop)
    return rules.broken(
        text("mask is ", static_cast<int32_t>(desc.mask), "; it must be a MaskKind"));
  if (desc.mask == MaskKind::none) result.mask_dtype = DType::u8;
  if (result.mask_dtype != DType::u8 && result.mask_dtype != DType::i32)
    return rules.broken(text("mask_dtype is ", desc.mask_dtype, "; it must be u8 or i32"));
  if (!desc.bias) result.bias_dtype = DType::f32;
  WEFT_TRY(check_type("bias_dtype", result.bias_dtype));
  if ((desc.features & ~kAllFeatures) != 0)
    return rules.broken(text("features is ", desc.features, "; it must be a sum of kFeature... bits"));
  if ((desc.features & kFeatureRegionMask) && !(desc.features & kFeatureRegions))
    return rules.broken("features has kFeatureRegionMask; it needs kFeatureRegions");
  return result;
}

Result<void> match(const AttentionDesc& call, const AttentionDesc& plan) {
  const Rules rules{"attention"};
  const auto same = [&](const char* name, const auto& found, const auto& planned) -> Result<void> {
    if (found == planned) return {};
    return rules.broken(text(name, " is ", found, ", the plan was made for ", planned));
  };
  const auto given = [](bool is_given) {
    return std::string_view(is_given ? "given" : "not given");
  };
  WEFT_TRY(same("query.dtype", call.query_dtype, plan.query_dtype));
  WEFT_TRY(same("key.dtype", call.kv_dtype, plan.kv_dtype));
  WEFT_TRY(same("output.dtype", call.output_dtype, plan.output_dtype));
  WEFT_TRY(same("query.shape[3]", call.head_dim, plan.head_dim));
  WEFT_TRY(same("value.shape[3]", call.value_dim, plan.value_dim));
  WEFT_TRY(same("the mask", name_of(call.mask), name_of(plan.mask)));
  WEFT_TRY(same("the mask's dtype", call.mask_dtype, plan.mask_dtype));
  WEFT_TRY(same("bias", given(call.bias), given(plan.bias)));
  WEFT_TRY(same("bias.dtype", call.bias_dtype, plan.bias_dtype));
  if (const uint32_t extra = call.features & ~plan.features)
    return rules.broken(text(decide::feature_name(extra), " is asked for, the plan was made without"));
  if (const uint32_t missing = plan.features & ~call.features)
    return rules.broken(text(decide::feature_name(missing), " is not asked for, the plan was made with it"));
  return {};
}

}  // namespace weft::attention_detail
