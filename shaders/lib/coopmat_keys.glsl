// The keys of attention_coopmat.comp, which declares all that this uses: which step comes next, which
// of its keys a row takes, and their way into shared memory. Steps of which no row of the workgroup
// sees a key are passed over, and nothing of them is read but masks. Subgroups go together: a CPU driver
// takes barriers of a subgroup for barriers of all.
#ifndef WEFT_COOPMAT_KEYS_GLSL
#define WEFT_COOPMAT_KEYS_GLSL

// What one step reads: rows of key and value from here on, in elements
struct Step {
  uvec2 key, value;
  uint key_stride, value_stride;
  uint first, count;  // keys
  uint number;        // from 1
  bool null_keys;
};

// What finds the steps: blocks of null keys come first, then the keys of a range.
struct Walk {
  uvec2 range;
  uint null_blocks, blocks, kv_head;
};

void find_keys(uint kv_head) {
  uint first = first_key_row(item);
  key = slice_address(push.key, args.key_stride_batch, item.score, args.key_stride_head, kv_head);
  key = row_address(WEFT_TYPE_F16, key, args.key_stride_row, first);
  value = slice_address(push.value, args.value_stride_batch, item.value, args.value_stride_head,
                        kv_head);
  value = row_address(WEFT_TYPE_F16, value, args.value_stride_row, first);
  value = address_add(value, chunk * kChunk * 2u);
}

Step find_step(Walk walk, uint number) {
  Step step;
  step.null_keys = kNullKeys && number < walk.null_blocks;
  step.number = number + 1u;
  if (step.null_keys) {
    step.first = number * kBlockKv;
    step.count = min(args.null_len - step.first, kBlockKv);
    step.key_stride = args.null_key_stride_row;
    step.value_stride = args.null_value_stride_row;
    step.key = address_step(args.null_key, args.null_key_stride_head, walk.kv_head);
    step.key = row_address(WEFT_TYPE_F16, step.key, step.key_stride, step.first);
    step.value = address_step(args.null_value, args.null_value_stride_head, walk.kv_head);
    step.value = row_address(WEFT_TYPE_F16, step.value, step.value_stride, step.first);
    step.value = address_add(step.value, chunk * kChunk * 2u);
  } else {
    step.first = walk.range.x + (number - walk.null_blocks) * kBlockKv;
    step.count = min(walk.range.y - step.first, kBlockKv);
    step.key_stride = args.key_stride_row;
    step.value_stride = args.value_stride_row;
    step.key = row_address(WEFT_TYPE_F16, key, step.key_stride, step.first);
    step.value = row_address(WEFT_TYPE_F16, value, step.value_stride, step.first);
  }
  return step;
}

void stage_keys(Step step) {
  const uint parts = kBlockKv * kKeyParts;
  for (uint i = 0; i < (parts + kLocalSize - 1u) / kLocalSize; ++i) {
    uint place = invocation + i * kLocalSize;
    uint row = place / kKeyParts, part = place % kKeyParts;
    uint start = min(row, step.count - 1u) * step.key_stride;
    uvec4 bits = load_eight(kAligned, step.key, start, part, kHeadDim);
    if (place < parts) keys[row * kKeyStride + part] = row < step.count ? bits : uvec4(0u);
  }
}

// The bits of four value elements of a key of the step, which is remembered where one is not
// finite; such elements are left out here.
uvec2 load_value(Step step, uint j, uint group) {
  uint start = min(j, step.count - 1u) * step.value_stride;
  uvec2 bits = load_packed(kAligned, step.value, start, group, chunk_dim);
  if (j >= step.count) bits = uvec2(0u);
  if (kMasked && !step.null_keys) {
    uvec2 wrong = not_finite(bits);
    if ((wrong.x | wrong.y) != 0u) {
      bits &= ~wrong;
      atomicMax(bad_keys[j], step.number);
      atomicMax(bad[0], step.number);
    }
  }
  return bits;
}

// Eight pairs of keys run fastest: whole sectors are read, and few writes meet in a bank.
void stage_values(Step step) {
  const uint parts = kBlockKv / 2u * kValueGroups;
  for (uint i = 0; i < (parts + kLocalSize - 1u) / kLocalSize; ++i) {
    uint place = min(invocation + i * kLocalSize, parts - 1u);
    uint pair = place / (8u * kValueGroups) * 8u + place % 8u, group = place / 8u % kValueGroups;
    uvec2 even = load_value(step, 2u * pair, group), odd = load_value(step, 2u * pair + 1u, group);
    uint at = 4u * group * kValueStride + pair;
    if (invocation + i * kLocalSize < parts) {
      values[at] = (even.x & 0xffffu) | (odd.x << 16);
      values[at + kValueStride] = (even.x >> 16) | (odd.x & 0xffff0000u);
      values[at + 2u * kValueStride] = (even.y & 0xffffu) | (odd.y << 16);
      values[at + 3u * kValueStride] = (even.y >> 16) | (odd.y & 0xffff0000u);
    }
  }
}

// Not of biases, which would be read twice: few are -infinity for whole blocks.
const bool kLook = kWindow || kRegions || kMaskKind != WEFT_MASK_NONE;

#include "lib/seen.glsl"

const uint kLaneKeys = 8u * kRowParts;  // of each row
uint kept[kRows];                       // where kLook, bit i: the row sees the invocation's key i

// Where an invocation's i-th group of four keys stands among those of the step
uint key_group(uint i) { return 2u * (lane % kRowLanes + i / 2u * kRowLanes) + i % 2u; }

// Finds what the invocation's rows see of the step; false: nothing. Four keys at a time: more at once
// take registers that matrices hold.
bool look(Step step) {
  uint any = 0u;
  [[unroll]] for (uint t = 0; t < kRows; ++t) {
    kept[t] = 0u;
    uint i = 0;
    [[dont_unroll]] do {
      uint c = 4u * key_group(i), four = 0u;
      [[unroll]] for (uint e = 0; e < 4u; ++e) {
        uint j = step.null_keys ? 0u : step.first + min(c + e, step.count - 1u);
        bool sees = row_sees(block, rows[t], j) || step.null_keys;
        four |= c + e < step.count && sees ? 1u << e : 0u;
      }
      kept[t] |= four << 4u * i;
    } while (++i < 2u * kRowParts);
    any |= kept[t];
  }
  return any != 0u;
}

// Finds the next step that the workgroup sees, from the number-th on; false: `step` is the last, and it
// sees none. Its barrier also says that all have done with the step before. A loop of its own: CPU
// drivers run what an if leaves out.
bool next_step(Walk walk, uint number, out Step step) {
  bool sees = true;
  if (kLook) {
    do {
      step = find_step(walk, number);
      sees = workgroup_sees(step.number, look(step));
      number = step.number;
    } while (!sees && number < walk.blocks);
  } else {
    step = find_step(walk, number);
    barrier();
  }
  return sees;
}

#endif
