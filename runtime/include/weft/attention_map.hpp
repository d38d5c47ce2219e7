// Attention maps: how much of chosen keys (words) each query row takes, collected on the device while a model runs
// through the fused attention, and made into pictures' worth of numbers on the host.
//
//   AttentionMap map = *AttentionMap::create(device, {.words = {2, 5, 6}});    // "cat" is 2, "sofa" is 5 and 6
//   uint32_t layer = 0;
//   for (auto& block : blocks) {
//     CrossAttentionCall call = ...;
//     call.attend = map.at(layer++);                                           // in place of weft::attention
//     cross_attention(recorder, block, call);
//   }
//   Program step = *recorder.finish();
//   for (int i = 0; i < 50; ++i) step.run();                                   // adds each step's weights
//   std::vector<LayerMap> layers = *map.read();                                // waits
//   WordMaps maps = *group_words(*mean_maps(layers, 0, 64, 64), {{0}, {1, 2}});
//   scale_to_range(maps);                                                      // 0 to 1, for write_png or write_npy
//
// Memory is items x heads (1 where they are averaged) x q_len x words floats for each layer, and a transient
// logsumexp; q_len x kv_len numbers exist nowhere, unless `every_key` asks for them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "weft/attention.hpp"
#include "weft/device.hpp"
#include "weft/export.hpp"
#include "weft/fusion.hpp"
#include "weft/recorder.hpp"

namespace weft {

// A layer to collect, by the number it is given with at().
struct MapLayer {
  uint32_t layer = 0;
  std::vector<uint32_t> heads{};  // empty: AttentionMapOptions::heads
};

struct AttentionMapOptions {
  // Keys to collect, at least one, in the order of the map's words. Null keys count as in AttentionWeightsCall::keys.
  std::vector<uint32_t> words{};
  bool every_key = false;        // every key in place of `words`: the memory is that of whole weights
  std::vector<uint32_t> heads{};   // empty: all
  std::vector<MapLayer> layers{};  // each at most once; empty: all
  // Items of the batch, so that of a guided batch only the conditional half is collected. item_count 0: all from
  // first_item on. Not with q_starts, whose items are one tensor.
  uint32_t first_item = 0, item_count = 0;
  // Calls recorded while the step (set_step) is first_step to last_step, both included, are collected.
  uint32_t first_step = 0, last_step = UINT32_MAX;
  WeightsStage stage = WeightsStage::probabilities;
  bool null_keys_last = false;
  bool mean_heads = true;  // the mean over the heads in place of each: smaller by that, and faster
  bool average = false;    // what is read is divided by the runs that were added; false: the sum
};

// What one layer collected.
struct LayerMap {
  uint32_t layer = 0;
  int64_t items = 0, heads = 0, q_len = 0, words = 0;
  int64_t heads_in_mean = 1;  // that each value stands for
  double runs = 0;            // of its call, since made or cleared
  std::vector<float> values;  // [items, heads, q_len, words]
};

// Copies share one map. Thread safety: one thread at a time, recordings of its functions included.
class WEFT_EXPORT AttentionMap {
 public:
  // invalid_argument: no words (and not every_key), words with every_key, a layer twice, last_step below first_step,
  // a stage that there is not.
  static Result<AttentionMap> create(const Device& device, AttentionMapOptions options);

  // Records the attention, and behind it what adds its weights to the layer's map: for AttentionFunction's place.
  // The first call of a layer takes the map's memory, zeroed; later ones, in this or any other recording, add to it, each
  // time that they run: a Program adds again with every run. Layers may differ in every size.
  // Errors: those of attention and attention_weights; invalid_argument where a layer's sizes are not those of
  // its first call, or the call has not the items; out_of_memory.
  Result<void> attention(Recorder& recorder, const AttentionCall& call, uint32_t layer) const;
  // The same as a function. It keeps the map alive.
  AttentionFunction at(uint32_t layer) const;
  // A function whose calls are of layers first_layer, first_layer + 1 and so on: for a FusionStack, which calls one
  // function for all of its steps from query to context. Copies count together; each recording takes a new one. Of a
  // chunked attention every call becomes a layer (ChunkedAttentionCall::attend); at() would add them together.
  AttentionFunction in_order(uint32_t first_layer = 0) const;

  // The step of whatever is recorded from now on; 0 at first. Steps are looked at when a call is recorded, not when
  // a Program runs: of a model that is replayed, record one Program while the step is chosen and one while it
  // isn't, and run for each step the one that it asks for.
  void set_step(uint32_t step);
  // Whether a call recorded now would be collected.
  bool collects(uint32_t layer) const;

  // Zeroes maps and counts, after all work submitted before. Errors: out_of_memory, device_lost.
  Result<void> clear();

  // What was collected, of one layer or of all in ascending order, after all work submitted before. Waits. A layer that was
  // recorded and has not run holds zeros and 0 runs. Errors: invalid_argument where the layer was never recorded;
  // out_of_memory, device_lost.
  Result<LayerMap> read(uint32_t layer) const;
  Result<std::vector<LayerMap>> read() const;

  // f32 [items, heads | 1, q_len, words], the sum, for work on the device; empty where the layer was never recorded.
  Tensor tensor(uint32_t layer) const;
  // Device memory of all maps.
  uint64_t size_bytes() const;

  struct State;
  explicit AttentionMap(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}

 private:
  std::shared_ptr<State> state_;
};

// ---- On the host ----
// Pure functions; thread safety: any thread.

// A picture for each word.
struct WordMaps {
  int64_t words = 0, height = 0, width = 0;
  std::vector<float> values;  // [words, height, width]
};

// A picture at another size, as torch.nn.functional.interpolate(mode="bicubic", align_corners=False) makes it: cubic
// convolution with a = -0.75, pixel centres at halves, edges repeated, not widened where it shrinks.
// Errors: invalid_argument where a side is below 1 or map is not height x width.
WEFT_EXPORT Result<std::vector<float>> resize_bicubic(std::span<const float> map, int64_t height, int64_t width,
                                                      int64_t new_height, int64_t new_width);

// Query rows of every layer as pictures, rows of pixels one after the other, of the shape that height x width has; each
// bicubically resized to height x width, clamped to 0 and up, and averaged over layers and heads: DAAM (Tang
// et al., arXiv 2210.04885; github.com/castorini/daam). For all of its definition: probabilities, each head,
// the conditional item, not averaged. Where heads were averaged on the device they are clamped together, which
// differs only where the resizing undershoots.
// Errors: invalid_argument where there is no layer or item, words differ between layers, or a layer's q_len has no
// whole sides in the ratio of height to width.
WEFT_EXPORT Result<WordMaps> mean_maps(std::span<const LayerMap> layers, int64_t item, int64_t height,
                                       int64_t width);

// Map i is the mean of the maps that groups[i] lists: a word of several tokens. Errors: invalid_argument for an empty
// group or a number that is no map.
WEFT_EXPORT Result<WordMaps> group_words(const WordMaps& maps, std::span<const std::vector<uint32_t>> groups);
inline Result<WordMaps> group_words(const WordMaps& maps, const std::vector<std::vector<uint32_t>>& groups) {
  return group_words(maps, std::span(groups));
}

// Divides every pixel by its sum over the words plus 1e-6: shares of the collected words (DAAM's normalisation, where
// these are all tokens but the first and the padding).
WEFT_EXPORT void normalize_over_words(WordMaps& maps);

// Every word's map from its least value to its largest, as 0 to 1: (x - least) / (largest - least + 1e-8).
WEFT_EXPORT void scale_to_range(WordMaps& maps);

// What Attend-and-Excite looks at (Chefer et al., arXiv 2301.13826).
struct ExciteOptions {
  int64_t first_word = 1;  // words before it (the start of the text) are dropped
  int64_t last_words = 1;  // words dropped at the end
  float sharpness = 100.0f;
  bool smooth = true;  // 3 x 3, weights exp(-(x / (2 sigma))^2) with sigma 0.5 as the original's code has it, edges reflected
};
// The mean over the heads of all layers of height x width rows (other layers are passed over), then for each pixel
// softmax(sharpness x) over the words left, then smoothed. Map i is of word first_word + i of maps that hold every
// key of the text in order. Errors: invalid_argument where no layer fits, words differ, none is left, or a side is
// below 2 and it is smoothed.
WEFT_EXPORT Result<WordMaps> excite_maps(std::span<const LayerMap> layers, int64_t item, int64_t height, int64_t width,
                                         const ExciteOptions& options = {});

}  // namespace weft
