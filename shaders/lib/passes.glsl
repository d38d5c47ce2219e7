// 16-bit elements of a row that each invocation picks and converts for itself: unrolled, they take code, which takes
// seconds to compile. Where they do, loops read and write kPassGroups groups a pass, always at the same place of the
// row's array, which moves on between passes: places that differ took two to four times as long.
// The includer declares kMayPassReads and kMayPassWrites, the dims, the types, kAligned and kChunkGroups.
#ifndef WEFT_PASSES_GLSL
#define WEFT_PASSES_GLSL

const uint kPassGroups = 4u;
const bool kHalfQuery = kQueryType != WEFT_TYPE_F32, kHalfOutput = kOutputType != WEFT_TYPE_F32;
const bool kManyReads = !kAligned || kHeadDim > 64u, kManyWrites = !kAligned || kValueDim > 64u;
const bool kReadPasses = kMayPassReads && kHalfQuery && kManyReads;
const bool kWritePasses = kMayPassWrites && kHalfOutput && kManyWrites;
// Groups that go by passes; the others are unrolled.
const uint kPassReads = kReadPasses ? kHeadDim / 4u / kPassGroups * kPassGroups : 0u;
const uint kPassWrites = kWritePasses ? (kChunkGroups - 1u) / kPassGroups * kPassGroups : 0u;

#endif
