#include "ground/model.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace weft::ground {
namespace {

// The attentions whose keys are words, as layers of an edit.
constexpr std::array<std::string_view, 3> kOfWords = {"text.0.attn", "text.1.attn", "fuse.cross"};
constexpr uint32_t kFuseLayer = 2;

}  // namespace

// Records the model's operations; each method is one named part of the network.
class Builder {
 public:
  Builder(Model& model, Recorder& recorder, Model::Session& session)
      : model_(model), recorder_(recorder), session_(session) {}

  Result<void> record() {
    WEFT_ASSIGN(Tensor x, linear("patch", session_.patches));
    WEFT_ASSIGN(x, add(x, "patch_position"));
    for (int i = 0; i < kImageLayers; ++i) {
      const std::string name = "image." + std::to_string(i) + ".";
      WEFT_ASSIGN(const Tensor h, norm(name + "attn_norm", x));
      WEFT_ASSIGN(x, attend(name + "attn", x, {h}, {h}));
      WEFT_ASSIGN(x, feed_forward(name, x));
    }
    WEFT_ASSIGN(const Tensor memory, norm("image_norm", x));
    WEFT_ASSIGN(Tensor t, words());
    const int64_t phrases = session_.phrases;
    for (int i = 0; i < kTextLayers; ++i) {
      const std::string name = "text." + std::to_string(i) + ".";
      WEFT_ASSIGN(Tensor h, norm(name + "attn_norm", t));
      WEFT_ASSIGN(t, attend(name + "attn", t, {h, phrases}, {h, phrases}));
      WEFT_ASSIGN(h, norm(name + "cross_norm", t));
      WEFT_ASSIGN(t, attend(name + "cross", t, {h, phrases}, {memory}));
      WEFT_ASSIGN(t, feed_forward(name, t));
    }
    WEFT_ASSIGN(const Tensor said, norm("text_norm", t));
    WEFT_ASSIGN(const Tensor h, norm("fuse.cross_norm", x));
    WEFT_ASSIGN(x, attend("fuse.cross", x, {h}, {said, phrases}));
    WEFT_ASSIGN(x, feed_forward("fuse.", x));
    WEFT_ASSIGN(const Tensor last, norm("score_norm", x));
    return linear_to("score", last, session_.scores);
  }

 private:
  Result<Tensor> weight(const std::string& name) const {
    const auto found = model_.weights_.find(name);
    if (found == model_.weights_.end())
      return fail(Code::invalid_argument, "weights: the tensor " + name + " is missing");
    return found->second;
  }

  Tensor rows(int64_t count, int64_t dim) { return recorder_.transient(DType::f32, {count, dim}); }

  Result<void> linear_to(const std::string& name, const Tensor& input, const Tensor& output,
                         Activation activation = Activation::none) {
    LinearCall call{.input = input, .output = output, .activation = activation};
    WEFT_ASSIGN(call.weight, weight(name + ".weight"));
    WEFT_ASSIGN(call.bias, weight(name + ".bias"));
    recorder_.label(name);
    return weft::linear(recorder_, call);
  }

  Result<Tensor> linear(const std::string& name, const Tensor& input, Activation activation = Activation::none) {
    WEFT_ASSIGN(const Tensor matrix, weight(name + ".weight"));
    const Tensor output = rows(input.shape[0], matrix.shape[0]);
    WEFT_TRY(linear_to(name, input, output, activation));
    return output;
  }

  Result<Tensor> norm(const std::string& name, const Tensor& input) {
    NormCall call{.input = input, .output = rows(input.shape[0], input.shape[1])};
    WEFT_ASSIGN(call.weight, weight(name + ".weight"));
    WEFT_ASSIGN(call.bias, weight(name + ".bias"));
    recorder_.label(name);
    WEFT_TRY(layer_norm(recorder_, call));
    return call.output;
  }

  Result<Tensor> add(const Tensor& left, const Tensor& right, const std::string& label) {
    const Tensor output = rows(left.shape[0], left.shape[1]);
    recorder_.label(label);
    WEFT_TRY(weft::add(recorder_, {.left = left, .right = right, .output = output}));
    return output;
  }

  // The table's rows added to those of each item.
  Result<Tensor> add(const Tensor& left, const std::string& name, int64_t items = 1) {
    WEFT_ASSIGN(const Tensor table, weight(name));
    WEFT_ASSIGN(const Tensor right, table.slice(0, 0, left.shape[0] / items));
    return add(left, right, name);
  }

  Result<Tensor> words() {
    GatherCall call{.indices = session_.ids, .output = rows(session_.ids.shape[0], kWidth)};
    WEFT_ASSIGN(call.table, weight("word.weight"));
    recorder_.label("word");
    WEFT_TRY(gather(recorder_, call));
    return add(call.output, "word_position", session_.phrases);
  }

  Result<Tensor> feed_forward(const std::string& layer, const Tensor& x) {
    WEFT_ASSIGN(const Tensor h, norm(layer + "ffn_norm", x));
    WEFT_ASSIGN(const Tensor up, linear(layer + "ffn.up", h, Activation::gelu_tanh));
    WEFT_ASSIGN(const Tensor down, linear(layer + "ffn.down", up));
    return add(x, down, layer + "ffn");
  }

  // Rows of one or several items, one behind the other.
  struct Rows {
    Tensor tensor;
    int64_t items = 1;

    Result<Tensor> heads(const Tensor& rows) const {
      WEFT_ASSIGN(const Tensor each, rows.reshape({items, rows.shape[0] / items, kWidth}));
      return each.split_heads(kHeads);
    }
  };

  // residual + out(attention(query(from), key(to), value(to))). Where patches see several phrases, the last one's.
  Result<Tensor> attend(const std::string& name, const Tensor& residual, const Rows& from, const Rows& to) {
    WEFT_ASSIGN(const Tensor q, linear(name + ".query", from.tensor));
    WEFT_ASSIGN(const Tensor k, linear(name + ".key", to.tensor));
    WEFT_ASSIGN(const Tensor v, linear(name + ".value", to.tensor));
    const int64_t items = std::max(from.items, to.items), q_len = from.tensor.shape[0] / from.items;
    const Tensor joined = rows(items * q_len, kWidth);
    AttentionCall call;
    WEFT_ASSIGN(call.query, from.heads(q));
    WEFT_ASSIGN(call.key, to.heads(k));
    WEFT_ASSIGN(call.value, to.heads(v));
    WEFT_ASSIGN(call.output, (Rows{joined, items}.heads(joined)));
    const bool shown = name == "text." + std::to_string(kTextLayers - 1) + ".cross";
    const auto captured = session_.maps.find(name);
    if (shown || captured != session_.maps.end())
      call.logsumexp = recorder_.transient(DType::f32, {items, kHeads, q_len});
    recorder_.label(name);
    const auto words = std::find(kOfWords.begin(), kOfWords.end(), name);
    if (session_.editor && words != kOfWords.end())
      WEFT_TRY(session_.editor->attention(recorder_, call, {.layer = static_cast<uint32_t>(words - kOfWords.begin())}));
    else
      WEFT_TRY(attention(recorder_, call));
    if (shown) WEFT_TRY(weights(call, session_.word_maps, true));
    if (captured != session_.maps.end()) WEFT_TRY(weights(call, captured->second, false));
    WEFT_ASSIGN(const Tensor last, joined.slice(0, joined.shape[0] - residual.shape[0], residual.shape[0]));
    WEFT_ASSIGN(const Tensor out, linear(name + ".out", last));
    return add(residual, out, name);
  }

  // Of the last item.
  Result<void> weights(AttentionCall call, const Tensor& target, bool mean_heads) {
    for (Tensor* tensor : {&call.query, &call.key, &call.logsumexp}) {
      WEFT_ASSIGN(*tensor, tensor->slice(0, tensor->shape[0] - 1, 1));
    }
    return attention_weights(recorder_, {.attention = call, .weights = target, .mean_heads = mean_heads});
  }

  Model& model_;
  Recorder& recorder_;
  Model::Session& session_;
};

namespace {

Dims dims_of(const std::vector<int64_t>& shape) {
  switch (shape.size()) {
    case 1: return {shape[0]};
    case 2: return {shape[0], shape[1]};
    default: return {};
  }
}

// [64][64][3] bytes -> [256][48] of -1 to 1: the pixels of each 4x4 patch in (y, x, colour) order.
std::vector<float> patches_of(std::span<const uint8_t> rgb) {
  std::vector<float> patches;
  patches.reserve(kPatches * kPatchInputs);
  for (int64_t patch = 0; patch < kPatches; ++patch)
    for (int64_t row = 0; row < 4; ++row) {
      const int64_t y = patch / kSide * 4 + row;
      const int64_t x = patch % kSide * 4;
      for (int64_t i = 0; i < 12; ++i)
        patches.push_back(static_cast<float>(rgb[static_cast<size_t>((y * 64 + x) * 3 + i)]) * (2.0f / 255.0f) - 1.0f);
    }
  return patches;
}

}  // namespace

Result<Model> Model::make(const Device& device, const Checkpoint& checkpoint) {
  Model model(device);
  for (const auto& [name, entry] : checkpoint.entries) {
    const Dims shape = dims_of(entry.shape);
    if (shape.rank() == 0)
      return fail(Code::invalid_argument, "weights: " + name + " must have rank 1 or 2, found " +
                                              std::to_string(entry.shape.size()));
    WEFT_ASSIGN(const Tensor tensor, device.tensor(DType::f32, shape));
    WEFT_TRY(device.upload(tensor, entry.values));
    model.weights_.emplace(name, tensor);
  }
  return model;
}

void Model::set_capture(bool capture) {
  if (capture != capture_) sessions_.clear();
  capture_ = capture;
}

void Model::set_timing(bool timing) {
  if (timing != timing_) sessions_.clear();
  timing_ = timing && device_.traits().timestamp_period_ns > 0;
}

namespace {

Result<AttentionEditor> make_editor(const Device& device, const std::vector<float>& factors,
                                    const std::vector<float>& replaced) {
  AttentionEdits edits;
  if (!factors.empty()) {
    KeyEdit edit{.kind = KeyEditKind::scale_weights};
    for (uint32_t word = 0; word < factors.size(); ++word) edit.factors.push_back({word, factors[word]});
    edits.keys.push_back(std::move(edit));
  }
  if (!replaced.empty()) {  // words are tokens: each stands for the one in its place
    edits.prompts.push_back(
        {.base = 0, .item = 1, .blend = {{.weights = replaced}}, .scope = {.layers = {kFuseLayer}}});
  }
  return AttentionEditor::make(device, std::move(edits));
}

}  // namespace

Result<Model::Session*> Model::session(const Key& key) {
  if (auto found = sessions_.find(key); found != sessions_.end()) return &found->second;
  const auto count = static_cast<int64_t>(key.words);
  Session session{.phrases = key.replaced.empty() ? 1 : 2};
  WEFT_ASSIGN(session.patches, device_.tensor(DType::f32, {kPatches, kPatchInputs}));
  WEFT_ASSIGN(session.ids, device_.tensor(DType::i32, {session.phrases * count}));
  WEFT_ASSIGN(session.scores, device_.tensor(DType::f32, {kPatches, 1}));
  WEFT_ASSIGN(session.word_maps, device_.tensor(DType::f32, {1, 1, count, kPatches}));
  if (!key.factors.empty() || !key.replaced.empty()) {
    WEFT_ASSIGN(session.editor, make_editor(device_, key.factors, key.replaced));
  } else if (capture_) {
    auto keep = [&](const std::string& name, int64_t rows, int64_t keys) -> Result<void> {
      WEFT_ASSIGN(session.maps[name], device_.tensor(DType::f32, {1, kHeads, rows, keys}));
      return {};
    };
    for (int i = 0; i < kImageLayers; ++i)
      WEFT_TRY(keep("image." + std::to_string(i) + ".attn", kPatches, kPatches));
    for (int i = 0; i < kTextLayers; ++i) {
      WEFT_TRY(keep("text." + std::to_string(i) + ".attn", count, count));
      WEFT_TRY(keep("text." + std::to_string(i) + ".cross", count, kPatches));
    }
    WEFT_TRY(keep("fuse.cross", kPatches, count));
  }
  Recorder recorder(device_);
  WEFT_TRY(Builder(*this, recorder, session).record());
  WEFT_ASSIGN(Program program, recorder.finish({.timestamps = timing_}));
  session.program = std::make_unique<Program>(std::move(program));
  return &sessions_.emplace(key, std::move(session)).first->second;
}

Result<Grounding> Model::run(std::span<const uint8_t> rgb, std::span<const int32_t> words, const Edit& edit) {
  if (rgb.size() != 64 * 64 * 3)
    return fail(Code::invalid_argument, "model: the picture must be 64x64 RGB, found " +
                                            std::to_string(rgb.size()) + " bytes");
  if (words.empty() || words.size() > 16)
    return fail(Code::invalid_argument,
                "model: a phrase must have 1 to 16 words, found " + std::to_string(words.size()));
  if ((!edit.factors.empty() && edit.factors.size() != words.size()) ||
      (!edit.words.empty() && edit.words.size() != words.size()))
    return fail(Code::invalid_argument, "model: the edit has " + std::to_string(edit.factors.size()) + " factors and " +
                                            std::to_string(edit.words.size()) + " words, the phrase has " +
                                            std::to_string(words.size()) + " words");
  Key key{.words = words.size(), .factors = edit.factors};
  for (size_t i = 0; i < edit.words.size(); ++i) key.replaced.push_back(edit.words[i] != words[i] ? 1.0f : 0.0f);
  WEFT_ASSIGN(Session* const session, this->session(key));
  std::vector<int32_t> ids(words.begin(), words.end());
  ids.insert(ids.end(), edit.words.begin(), edit.words.end());
  WEFT_TRY(device_.upload(session->patches, patches_of(rgb)));
  WEFT_TRY(device_.upload(session->ids, ids));
  WEFT_ASSIGN(const Ticket ticket, session->program->run());
  WEFT_TRY(ticket.wait());
  Grounding result;
  WEFT_ASSIGN(result.logits, device_.download<float>(session->scores));
  WEFT_ASSIGN(result.word_maps, device_.download<float>(session->word_maps));
  for (const float logit : result.logits) result.probabilities.push_back(1.0f / (1.0f + std::exp(-logit)));
  return result;
}

Result<std::map<std::string, std::vector<float>>> Model::attention_maps(size_t words) const {
  const auto found = sessions_.find(Key{.words = words});
  if (found == sessions_.end() || !capture_)
    return fail(Code::invalid_argument, "model: attention maps need a captured run of " +
                                            std::to_string(words) + " words first");
  std::map<std::string, std::vector<float>> maps;
  for (const auto& [name, tensor] : found->second.maps) {
    WEFT_ASSIGN(maps[name], device_.download<float>(tensor));
  }
  return maps;
}

Result<std::vector<OperationTime>> Model::times(size_t words) const {
  const auto found = sessions_.find(Key{.words = words});
  if (found == sessions_.end())
    return fail(Code::invalid_argument, "model: times need a run of " + std::to_string(words) + " words first");
  return found->second.program->times();
}

ProgramStats Model::stats(size_t words) const {
  const auto found = sessions_.find(Key{.words = words});
  return found == sessions_.end() ? ProgramStats{} : found->second.program->stats();
}

}  // namespace weft::ground
