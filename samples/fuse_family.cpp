// Runs a block of a published checkpoint on noise: what each of its operations takes here, and
// where its queries look, as pictures.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "ground/colormap.hpp"
#include "weft/checkpoint.hpp"
#include "weft/image.hpp"
#include "weft/npy.hpp"
#include "weft/weft.hpp"

namespace {

struct Options {
  std::string file, prefix, map;
  uint32_t heads = 0;
  int64_t side = 16, kv_len = 77;
};

struct Fused {
  std::vector<weft::OperationTime> times;
  std::vector<weft::LayerMap> maps;
};

weft::Result<weft::Tensor> noise(const weft::Device& device, const weft::Dims& shape) {
  WEFT_ASSIGN(weft::Tensor tensor, device.tensor(weft::DType::f32, shape));
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  for (float& value : values) value = normal(random);
  WEFT_TRY(device.upload(tensor, values));
  return tensor;
}

// The words whose weights are kept: the first eight, or all of a shorter text.
std::vector<uint32_t> first_words(int64_t kv_len) {
  std::vector<uint32_t> words;
  for (uint32_t word = 0; word < 8 && word < kv_len; ++word) words.push_back(word);
  return words;
}

// The block that the options name, or the checkpoint's first that is whole.
weft::Result<weft::FoundBlock> choose(const weft::Checkpoint& checkpoint, const Options& options) {
  for (const weft::FoundBlock& block : weft::find_blocks(checkpoint)) {
    const bool whole = block.missing.empty() && block.wrong.empty();
    if (options.prefix.empty() ? whole : block.prefix == options.prefix) return block;
  }
  return weft::fail(weft::Code::invalid_argument,
                    options.file + ": no block" +
                        (options.prefix.empty() ? "" : " at \"" + options.prefix + "\"") +
                        "; weft_inspect lists what there is");
}

weft::Result<Fused> fuse_family(const weft::Device& device, const weft::Checkpoint& checkpoint,
                                const weft::FoundBlock& found, const Options& options) {
  if (found.dim == 0 || found.context_dim == 0)
    return weft::fail(weft::Code::invalid_argument,
                      found.family +
                          ": shapes don't say the streams' sizes; this sample runs blocks "
                          "from a query to a context");
  WEFT_ASSIGN(
      const weft::FusionStack block,
      weft::load_family(device, checkpoint, found.family, found.prefix, {.heads = options.heads}));
  if (block.latents || block.similarity || block.chunk_len > 0 || block.steps.size() > 1 ||
      !block.steps[0].block.more_sources.empty())
    return weft::fail(weft::Code::unsupported,
                      found.family + ": this sample runs single blocks from a query to a context");
  WEFT_ASSIGN(const weft::Tensor pixels,
              noise(device, {1, options.side * options.side, found.dim}));
  WEFT_ASSIGN(const weft::Tensor words, noise(device, {1, options.kv_len, found.context_dim}));
  WEFT_ASSIGN(const weft::Tensor output, device.tensor(weft::DType::f32, pixels.shape));

  WEFT_ASSIGN(const weft::AttentionMap map,
              weft::AttentionMap::create(device, {.words = first_words(options.kv_len)}));
  weft::Recorder recorder(device);
  WEFT_TRY(weft::fuse(recorder, block,
                      {.query = pixels, .context = words, .output = output, .attend = map.at(0)}));
  const bool timed = device.traits().timestamp_period_ns > 0;
  WEFT_ASSIGN(const weft::Program step, recorder.finish({.timestamps = timed}));
  for (int run = 0; run < 3; ++run) WEFT_TRY(step.run());

  Fused fused;
  if (timed) {
    WEFT_ASSIGN(fused.times, step.times());
  }
  WEFT_ASSIGN(fused.maps, map.read());
  return fused;
}

// The words' maps beside each other, each from its least to its largest value.
weft::Result<void> write(const Fused& fused, const std::string& path) {
  constexpr int64_t kSide = 96;
  WEFT_ASSIGN(weft::WordMaps maps, weft::mean_maps(fused.maps, 0, kSide, kSide));
  weft::scale_to_range(maps);
  if (path.ends_with(".npy")) {
    const auto extent = [](int64_t length) { return static_cast<uint64_t>(length); };
    return weft::write_npy(path, {weft::ElementType::f32,
                                  {extent(maps.words), extent(maps.height), extent(maps.width)},
                                  std::as_bytes(std::span(maps.values))});
  }
  weft::Image image{static_cast<uint32_t>(maps.words * kSide), kSide, 3, {}};
  for (int64_t y = 0; y < kSide; ++y)
    for (int64_t word = 0; word < maps.words; ++word)
      for (int64_t x = 0; x < kSide; ++x) {
        const auto at = static_cast<size_t>((word * kSide + y) * kSide + x);
        const auto colour = weft::ground::heat_colour(maps.values[at]);
        image.pixels.insert(image.pixels.end(), colour.begin(), colour.end());
      }
  return weft::write_png(path, image);
}

weft::Result<void> run(const Options& options) {
  WEFT_ASSIGN(const weft::Device device, weft::Device::open());
  WEFT_ASSIGN(const weft::Checkpoint checkpoint, weft::Checkpoint::open(options.file));
  WEFT_ASSIGN(const weft::FoundBlock found, choose(checkpoint, options));
  WEFT_ASSIGN(const Fused fused, fuse_family(device, checkpoint, found, options));
  std::printf("%s \"%s\" on %s\n", found.family.c_str(), found.prefix.c_str(),
              device.traits().name.c_str());
  for (const weft::OperationTime& time : fused.times)
    std::printf("%10.3f ms  %-28s %s\n", (time.end_ns - time.begin_ns) * 1e-6, time.name.c_str(),
                time.kernel.c_str());
  if (options.map.empty()) return {};
  WEFT_TRY(write(fused, options.map));
  std::printf("wrote %s: where each pixel looks, for the first words\n", options.map.c_str());
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Runs a block of a checkpoint on noise, and shows times and attention maps."};
  Options options;
  app.set_version_flag("--version", "fuse_family " WEFT_VERSION);
  app.add_option("file", options.file,
                 "A safetensors file, the index of a sharded one, or their folder");
  app.add_option("--prefix", options.prefix,
                 "The block; the first that is whole if not given (weft_inspect lists them)");
  app.add_option("--heads", options.heads, "Heads, where they are not the family's usual number");
  app.add_option("--side", options.side, "Queries are a square of so many pixels a side")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--kv-len", options.kv_len, "Keys")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--map", options.map,
                 "Writes the attention maps of the first eight keys: .png or .npy");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  if (options.file.empty()) {
    std::fprintf(stderr, "fuse_family: a file is needed; see --help\n");
    return 2;
  }
  if (const auto done = run(options); !done) {
    std::fprintf(stderr, "fuse_family: %s\n", done.error().message.c_str());
    return 2;
  }
}
