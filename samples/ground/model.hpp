// The grounding model on a device: a 64x64 picture and a phrase in, one score per patch and the attention
// weights out. Every matrix product, norm and attention runs in Weft's kernels; README.md gives the formulas.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "weft/attention_edit.hpp"
#include "weft/weft.hpp"

namespace weft::ground {

inline constexpr int64_t kSide = 16;                // patches, both ways
inline constexpr int64_t kPatches = kSide * kSide;
inline constexpr int64_t kPatchInputs = 48;         // 4 x 4 pixels x RGB
inline constexpr int64_t kWidth = 96;
inline constexpr int64_t kHeads = 4;
inline constexpr int kImageLayers = 2;
inline constexpr int kTextLayers = 2;

// The weights file, on the host.
struct Checkpoint {
  struct Entry {
    std::vector<int64_t> shape;
    std::vector<float> values;
  };
  std::map<std::string, Entry> entries;
  std::string vocabulary;   // space-joined, in id order
  float threshold = 0.5f;   // of a patch's probability
};

// Errors: invalid_argument for a file that can't be read, or whose vocabulary is another one.
Result<Checkpoint> load_checkpoint(const std::string& path);
// The same tensors filled with noise of the usual size, for a baseline.
Checkpoint untrained(const Checkpoint& like, uint64_t seed);

struct Grounding {
  std::vector<float> probabilities;     // [256]: sigmoid of the scores
  std::vector<float> logits;            // [256]
  std::vector<float> word_maps;         // [words][256]: the last layer's word-to-patch weights, mean over heads
};

// A change to what is heard of a phrase.
struct Edit {
  // Of each word's weight in every attention on words (text.0.attn, text.1.attn, fuse.cross), whose weights go on
  // summing to 1; 0 or more. Empty: 1.
  std::vector<float> factors;
  // Another phrase of as many words, which is heard in place of the first. In fuse.cross, words that differ keep the weights
  // that patches give the first phrase's ("replace" of prompt-to-prompt, of these words). Empty: none.
  std::vector<int32_t> words;

  bool empty() const { return factors.empty() && words.empty(); }
};

// Thread safety: one thread at a time.
class Model {
 public:
  // Uploads the weights. Errors: invalid_argument (a tensor is missing or has another shape).
  static Result<Model> make(const Device& device, const Checkpoint& checkpoint);

  // `rgb` is [64][64][3]; `words` are 1 to 16 vocabulary ids. The first phrase of a length, and of an edit's
  // factors and replaced places, records a program; later ones replay it. With another phrase, word_maps are that one's.
  Result<Grounding> run(std::span<const uint8_t> rgb, std::span<const int32_t> words, const Edit& edit = {});

  // The attention weights of the last unedited run of this phrase length: "text.1.cross" -> [heads][rows][keys].
  // Needs `set_capture(true)` before.
  Result<std::map<std::string, std::vector<float>>> attention_maps(size_t words) const;
  void set_capture(bool capture);
  // Measures every operation from now on, where the device can.
  void set_timing(bool timing);
  // Device times of the last unedited run of this phrase length (needs set_timing), and what scheduling made of it.
  Result<std::vector<OperationTime>> times(size_t words) const;
  ProgramStats stats(size_t words) const;

 private:
  struct Key {  // what a recording depends on
    size_t words = 0;
    std::vector<float> factors;
    std::vector<float> replaced;  // 1 for a word that is; empty: no other phrase
    auto operator<=>(const Key&) const = default;
  };
  struct Session {  // what one of these needs
    Tensor patches, ids, scores, word_maps;  // ids: of the phrase, then of the one in its place
    int64_t phrases = 1;
    std::optional<AttentionEditor> editor;
    std::map<std::string, Tensor> maps;
    std::unique_ptr<Program> program;
  };
  explicit Model(const Device& device) : device_(device) {}
  Result<Session*> session(const Key& key);

  Device device_;
  std::map<std::string, Tensor> weights_;
  std::map<Key, Session> sessions_;
  bool capture_ = false;
  bool timing_ = false;

  friend class Builder;
};

}  // namespace weft::ground
