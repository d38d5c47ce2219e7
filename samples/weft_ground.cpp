// weft_ground IMAGE "the small red circle": where in a picture is what a phrase says? Writes the picture with a
// heatmap, a box and the attention of every word. With `--weight red=0` or `--replace red=blue` it shows the answer before
// and after that edit of the attention. `--evaluate N` measures the model on generated scenes instead.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "ground/edit.hpp"
#include "ground/evaluate.hpp"
#include "ground/metrics.hpp"
#include "ground/model.hpp"
#include "ground/progress.hpp"
#include "ground/render.hpp"
#include "ground/vocabulary.hpp"
#include "weft/image.hpp"

namespace {

using namespace weft;
using namespace weft::ground;

struct Options {
  std::string image, phrase;
  std::string output = "grounded.png";
  std::string weights = WEFT_SOURCE_DIR "/samples/ground/weft_ground.safetensors";
  std::string device, trace;
  std::string split = "held-out";
  std::vector<std::string> weights_of_words, replacements;
  uint32_t evaluate = 0;
  uint64_t seed = 1;
  bool json = false;
};

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Wall time of one part of the program.
struct Stage {
  std::string name;
  double ms;
};

class Stopwatch {
 public:
  void lap(std::string name) {
    const double now = now_ms();
    stages_.push_back({std::move(name), now - last_});
    last_ = now;
  }
  const std::vector<Stage>& stages() const { return stages_; }
  double total_ms() const { return last_ - first_; }

 private:
  double first_ = now_ms(), last_ = first_;
  std::vector<Stage> stages_;
};

// The network's parts by the first word of the operations' labels, in order of appearance.
std::vector<Stage> device_stages(const std::vector<OperationTime>& times) {
  const std::map<std::string, std::string> titles = {
      {"patch", "patch embedding"}, {"patch_position", "patch embedding"}, {"word", "word embedding"},
      {"word_position", "word embedding"}, {"image", "patches attend to patches"}, {"image_norm", "patches attend to patches"},
      {"text", "words attend to patches"}, {"text_norm", "words attend to patches"}, {"fuse", "patches attend to words"},
      {"score", "scores"}, {"score_norm", "scores"}};
  std::vector<Stage> stages;
  for (const OperationTime& time : times) {
    const std::string label = time.name.substr(time.name.find(' ') + 1);
    const auto title = titles.find(label.substr(0, label.find('.')));
    const std::string name = title == titles.end() ? label : title->second;
    auto found = std::find_if(stages.begin(), stages.end(), [&](const Stage& stage) { return stage.name == name; });
    if (found == stages.end()) found = stages.insert(stages.end(), {name, 0});
    found->ms += (time.end_ns - time.begin_ns) * 1e-6;
  }
  return stages;
}

std::string kernels_of(const std::vector<OperationTime>& times) {
  std::set<std::string> names;
  for (const OperationTime& time : times) names.insert(time.kernel);
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// Bytes that are not UTF-8 (a path's, say) are replaced.
std::string text_of(const nlohmann::json& json) {
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

nlohmann::json to_json(const std::vector<Stage>& stages) {
  auto list = nlohmann::json::array();
  for (const Stage& stage : stages) list.push_back({{"name", stage.name}, {"ms", stage.ms}});
  return list;
}

void print(const char* title, const std::vector<Stage>& stages) {
  std::printf("%s\n", title);
  for (const Stage& stage : stages) std::printf("  %-28s %8.2f ms\n", stage.name.c_str(), stage.ms);
}

Result<void> write_text(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  if (!file.flush()) return fail(Code::invalid_argument, path + ": could not be written");
  return {};
}

std::string caption(const Device& device, double device_ms) {
  char time[48] = "";
  if (device_ms > 0) std::snprintf(time, sizeof time, ", %.1f ms on the device", device_ms);
  return device.traits().name + time;
}

struct Answer {
  Grounding grounding;
  std::vector<std::string> words;
  Box box;      // in the picture's own pixels
  float score;  // the peak's probability
};

std::vector<std::string> split_words(const std::vector<int32_t>& ids) {
  std::vector<std::string> words;
  for (const int32_t id : ids) words.emplace_back(vocabulary()[static_cast<size_t>(id)]);
  return words;
}

// One picture and phrase. The first run makes pipelines; the second is timed.
Result<void> ground_one(const Options& options) {
  Stopwatch watch;
  WEFT_ASSIGN(const auto ids, tokenize(options.phrase));
  WEFT_ASSIGN(const Image picture, read_image(options.image, 3));
  WEFT_ASSIGN(const Image small, resize(picture, 64, 64));
  watch.lap("reading the picture");
  WEFT_ASSIGN(const Checkpoint checkpoint, load_checkpoint(options.weights));
  watch.lap("reading the weights");
  WEFT_ASSIGN(const Device device, Device::open({.name = options.device}));
  WEFT_ASSIGN(Model model, Model::make(device, checkpoint));
  model.set_timing(true);
  watch.lap("opening the device");
  WEFT_TRY(model.run(small.pixels, ids));
  watch.lap("first run, with compiling");
  Answer answer;
  WEFT_ASSIGN(answer.grounding, model.run(small.pixels, ids));
  watch.lap("second run");

  answer.words = split_words(ids);
  answer.box = box_of(answer.grounding.probabilities, checkpoint.threshold, picture.width, picture.height);
  answer.score = *std::max_element(answer.grounding.probabilities.begin(), answer.grounding.probabilities.end());
  std::vector<OperationTime> times;
  if (device.traits().timestamp_period_ns > 0) {
    WEFT_ASSIGN(times, model.times(ids.size()));
  }
  const std::vector<Stage> on_device = device_stages(times);
  double device_ms = 0;
  for (const Stage& stage : on_device) device_ms += stage.ms;

  WEFT_ASSIGN(const Image output, render({.image = picture,
                                          .probabilities = answer.grounding.probabilities,
                                          .word_maps = answer.grounding.word_maps,
                                          .words = answer.words,
                                          .phrase = options.phrase,
                                          .box = answer.box,
                                          .caption = caption(device, device_ms)}));
  WEFT_TRY(write_png(options.output, output));
  if (!options.trace.empty()) WEFT_TRY(write_text(options.trace, chrome_trace(times, device.traits().name)));
  watch.lap("drawing the answer");

  const ProgramStats stats = model.stats(ids.size());
  const Box& box = answer.box;
  if (options.json) {
    const nlohmann::json report = {
        {"phrase", options.phrase}, {"picture", options.output}, {"score", answer.score},
        {"box", {box.x0, box.y0, box.x1, box.y1}}, {"device", device.traits().name},
        {"driver", device.traits().driver_info}, {"kernels", kernels_of(times)},
        {"operations", stats.operations}, {"barriers", stats.barriers},
        {"device_ms", device_ms}, {"device_stages", to_json(on_device)}, {"stages", to_json(watch.stages())},
        {"total_ms", watch.total_ms()}};
    std::printf("%s\n", text_of(report).c_str());
    return {};
  }
  std::printf("\"%s\" is in the box from (%d, %d) to (%d, %d), score %.3f\n", options.phrase.c_str(), box.x0, box.y0,
              box.x1, box.y1, answer.score);
  std::printf("device: %s, %s\nkernels: %s\n%u operations, %u barriers\n", device.traits().name.c_str(),
              (device.traits().driver_name + " " + device.traits().driver_info).c_str(), kernels_of(times).c_str(), stats.operations, stats.barriers);
  print("on the device, second run:", on_device);
  print("in all:", watch.stages());
  std::printf("  %-28s %8.2f ms\n%s written\n", "total", watch.total_ms(), options.output.c_str());
  return {};
}

// What lies inside a box of the 64x64 picture, as a share of the whole map.
double mass_in(const Box& box, const std::vector<float>& probabilities) {
  std::vector<uint8_t> mask(size_t{kMaskSide} * kMaskSide);
  for (int32_t y = box.y0; y < box.y1; ++y)
    for (int32_t x = box.x0; x < box.x1; ++x) mask[static_cast<size_t>(y) * kMaskSide + static_cast<size_t>(x)] = 1;
  return measure(probabilities, mask, 0.5f).mass_inside;
}

struct Side {
  const char* name;
  Grounding grounding;
  Box box, seen;  // in the picture's own pixels, and in those of the model
  float score = 0;
};

// The same picture and phrase as they are, and with the attention edited.
Result<void> compare_edit(const Options& options) {
  WEFT_ASSIGN(const auto ids, tokenize(options.phrase));
  WEFT_ASSIGN(const Edit edit, parse_edit(ids, options.weights_of_words, options.replacements));
  WEFT_ASSIGN(const Image picture, read_image(options.image, 3));
  WEFT_ASSIGN(const Image small, resize(picture, 64, 64));
  WEFT_ASSIGN(const Checkpoint checkpoint, load_checkpoint(options.weights));
  WEFT_ASSIGN(const Device device, Device::open({.name = options.device}));
  WEFT_ASSIGN(Model model, Model::make(device, checkpoint));
  Side before{.name = "before"}, after{.name = "after"};
  WEFT_ASSIGN(before.grounding, model.run(small.pixels, ids));
  WEFT_ASSIGN(after.grounding, model.run(small.pixels, ids, edit));
  for (Side* side : {&before, &after}) {
    const std::vector<float>& map = side->grounding.probabilities;
    side->box = box_of(map, checkpoint.threshold, picture.width, picture.height);
    side->seen = box_of(map, checkpoint.threshold);
    side->score = *std::max_element(map.begin(), map.end());
  }
  const std::string what = describe_edit(options.weights_of_words, options.replacements);
  WEFT_ASSIGN(const Image output,
              render({.image = picture,
                      .phrase = options.phrase,
                      .before = {"Before", before.grounding.probabilities, before.box},
                      .after = {"After:  " + what, after.grounding.probabilities, after.box},
                      .caption = "above: the answer and its highest probability; below: the probability of each patch"}));
  WEFT_TRY(write_png(options.output, output));
  nlohmann::json report = {{"phrase", options.phrase}, {"edit", what}, {"picture", options.output},
                           {"device", device.traits().name}};
  for (const Side* side : {&before, &after}) {
    const double old_mass = mass_in(before.seen, side->grounding.probabilities);
    const double new_mass = mass_in(after.seen, side->grounding.probabilities);
    const Box& box = side->box;
    report[side->name] = {{"box", {box.x0, box.y0, box.x1, box.y1}}, {"score", side->score},
                          {"mass_in_box_before", old_mass}, {"mass_in_box_after", new_mass}};
    if (options.json) continue;
    std::printf("%-6s box from (%d, %d) to (%d, %d), score %.3f; mass in the box before %.1f%%, after %.1f%%\n", side->name,
                box.x0, box.y0, box.x1, box.y1, side->score, 100 * old_mass, 100 * new_mass);
  }
  if (options.json) std::printf("%s\n", text_of(report).c_str());
  else std::printf("\"%s\" with %s on %s: %s written\n", options.phrase.c_str(), what.c_str(),
                   device.traits().name.c_str(), options.output.c_str());
  return {};
}

Result<Split> split_of(const std::string& name) {
  for (const Split split : {Split::train, Split::test, Split::held_out})
    if (name == to_string(split)) return split;
  return fail(Code::invalid_argument, "--split must be train, test or held-out, found \"" + name + "\"");
}

Result<void> evaluate_model(const Options& options) {
  WEFT_ASSIGN(const Checkpoint checkpoint, load_checkpoint(options.weights));
  WEFT_ASSIGN(const Device device, Device::open({.name = options.device}));
  WEFT_ASSIGN(Model model, Model::make(device, checkpoint));
  WEFT_ASSIGN(Model noise, Model::make(device, untrained(checkpoint, options.seed)));
  EvaluationOptions wanted{.scenes = options.evaluate, .seed = options.seed};
  WEFT_ASSIGN(wanted.split, split_of(options.split));
  auto progress = std::make_unique<Progress>("evaluating");
  wanted.progress = [&](uint32_t done, uint32_t of) { progress->update(done, of); };
  auto evaluated = evaluate(model, noise, checkpoint.threshold, wanted);
  progress.reset();  // the line is clear for what follows
  WEFT_ASSIGN(const Evaluation result, std::move(evaluated));
  if (options.json) {
    nlohmann::json report = {{"split", options.split}, {"seed", options.seed}, {"scenes", result.scenes},
                             {"phrases", result.phrases}, {"threshold", result.threshold},
                             {"device", device.traits().name}, {"scores", nlohmann::json::object()}};
    for (const Score& score : result.scores)
      report["scores"][score.map] = {{"pointing", score.pointing}, {"mass", score.mass}, {"iou", score.iou}};
    std::printf("%s\n", text_of(report).c_str());
    return {};
  }
  std::printf("%u phrases in %u %s scenes, seed %llu, threshold %.2f\n", result.phrases, result.scenes,
              options.split.c_str(), static_cast<unsigned long long>(options.seed), result.threshold);
  std::printf("%-26s %10s %14s %8s\n", "map", "pointing", "mass inside", "IoU");
  for (const Score& score : result.scores)
    std::printf("%-26s %9.1f%% %13.1f%% %8.3f\n", score.map.c_str(), 100 * score.pointing, 100 * score.mass, score.iou);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Finds what a phrase says in a picture, on any Vulkan device."};
  Options options;
  app.set_version_flag("--version", "weft_ground " WEFT_VERSION);
  auto* image = app.add_option("image", options.image, "A PNG or JPEG picture; seen at 64x64");
  auto* phrase = app.add_option("phrase", options.phrase, "Such as \"the small red circle left of the blue square\"");
  app.add_option("-o,--output", options.output, "The PNG to write")->capture_default_str();
  auto* count = app.add_option("--evaluate", options.evaluate, "Measure on so many generated scenes")
                    ->check(CLI::Range(1, 100000));
  auto* weight = app.add_option("--weight", options.weights_of_words,
                                "WORD=FACTOR: multiply the attention that the phrase's word gets, which goes on summing to 1 "
                                "(may be given several times)")
                     ->allow_extra_args(false);
  auto* replace = app.add_option("--replace", options.replacements,
                                 "WORD=WORD: hear another word where the phrase has the first (may be given several times)")
                      ->allow_extra_args(false);
  app.add_option("--split", options.split, "Scenes to measure on: held-out, test or train")->capture_default_str();
  app.add_option("--seed", options.seed, "First scene's seed")->capture_default_str();
  app.add_option("--device", options.device, "A device's index or part of its name (weft_info lists them)");
  app.add_option("--weights", options.weights, "The model's safetensors file");
  auto* trace = app.add_option("--trace", options.trace, "Write device times as a Chrome trace");
  for (auto* edit : {weight, replace}) edit->excludes(count)->excludes(trace);
  app.add_flag("--json", options.json, "Print JSON");
  try {
    app.parse(argc, argv);
    if (!*count && (!*image || !*phrase)) throw CLI::RequiredError("an image and a phrase, or --evaluate,");
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const bool edits = *weight || *replace;
  const auto done = *count ? evaluate_model(options) : edits ? compare_edit(options) : ground_one(options);
  if (done) return 0;
  std::fprintf(stderr, "weft_ground: %s\n", done.error().message.c_str());
  return 2;
}
