// Which keys take part, for the kernels of attention. The including kernel defines MASK_KIND and MASK_TYPE.

// Adds a bias to `score` (base-2 logarithm units) and tells whether the key takes part.
bool mask_key(uvec2 mask_row, uint key, inout float score) {
  if (MASK_KIND == WEFT_MASK_BOOLEAN) return load_flag(mask_row, key);
  if (MASK_KIND == WEFT_MASK_BIAS) {
    const float bias = load(mask_row, key, MASK_TYPE);
    score += bias * kLog2e;
    return floatBitsToUint(bias) != kMinusInfinityBits;
  }
  return true;
}

uint mask_element_bytes() {
  return MASK_KIND == WEFT_MASK_BOOLEAN ? 1u : MASK_TYPE == WEFT_TYPE_F32 ? 4u : 2u;
}
