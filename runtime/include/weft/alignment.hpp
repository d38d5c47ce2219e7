// When each token was spoken: alignment of a decoder's tokens to an encoder's frames by its cross-attention, as
// openai/whisper does it (whisper/timing.py: find_alignment, dtw, median_filter).
//
//   AttentionMap map = *AttentionMap::create(device, {.every_key = true,
//                                                     .layers = {{10, {3, 7}}, {13, {0}}},   // the alignment heads
//                                                     .stage = WeightsStage::scaled, .mean_heads = false});
//   ... run the decoder once over all tokens, layer i with map.at(i) ...
//   Alignment found = *align(*map.read(), 0, {.frames = spoken_frames, .first_tokens = 3});
//   // token i, of those left, begins at found.seconds[i] and ends where token i + 1 begins
//
// Host only, pure. Thread safety: any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "weft/attention_map.hpp"
#include "weft/error.hpp"
#include "weft/export.hpp"

namespace weft {

struct AlignmentOptions {
  int64_t frames = 0;        // keys that count, cut off before the softmax: those with sound. 0: all
  float scale = 1.0f;        // of the logits, before the softmax
  int64_t median_width = 7;  // frames, odd; 1: no filter
  int64_t first_tokens = 0;  // rows dropped at the beginning (the start of the transcript), and
  int64_t last_tokens = 1;   // at the end (the end of the text), once the normalisation is done
  double frames_per_second = 50;
};

// A way from (0, 0) to (rows - 1, columns - 1) in steps of 0 or 1 on both axes, both of one length.
struct WarpPath {
  std::vector<int64_t> rows, columns;
};

struct Alignment {
  WarpPath path;                // rows are tokens, columns frames
  std::vector<double> seconds;  // of each token left: where the path reaches it
};

// The path of the least sum over matrix [rows, columns], summed in fp32; between equals, a step along the columns.
// Errors: invalid_argument where a side is below 1 or the matrix is not rows x columns, or holds NaN.
WEFT_EXPORT Result<WarpPath> dynamic_time_warping(std::span<const float> matrix, int64_t rows, int64_t columns);

// The median of `width` (odd) neighbours along each row of [rows, columns], edges reflected without the edge itself; the
// rows themselves where columns <= width / 2. Errors: invalid_argument.
WEFT_EXPORT Result<std::vector<float>> median_filter(std::span<const float> matrix, int64_t rows, int64_t columns,
                                                     int64_t width);

// The matrix that is aligned, [tokens left, frames that count], from raw logits [heads, tokens, frames] of chosen heads:
// cut to the frames, softmax(scale x), then (x - mean) / deviation over all tokens (divided by their number; 0 where
// the deviation is 0), the median over the frames, the mean over the heads, and the rows left.
// Errors: invalid_argument where sizes contradict each other or nothing is left.
WEFT_EXPORT Result<std::vector<float>> alignment_matrix(std::span<const float> logits, int64_t heads, int64_t tokens,
                                                        int64_t frames, const AlignmentOptions& options);

// The path through minus that matrix, and times.
WEFT_EXPORT Result<Alignment> align(std::span<const float> logits, int64_t heads, int64_t tokens, int64_t frames,
                                    const AlignmentOptions& options);
// The same from collected layers: one item's heads of all layers, which must agree in q_len (tokens) and words (frames).
WEFT_EXPORT Result<Alignment> align(std::span<const LayerMap> layers, int64_t item, const AlignmentOptions& options);

}  // namespace weft
