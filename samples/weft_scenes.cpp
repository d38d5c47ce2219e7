// weft_scenes: writes generated scenes as pictures with phrases and masks, or as one raw file for
// training.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ground/scenes.hpp"
#include "ground/vocabulary.hpp"
#include "weft/error.hpp"
#include "weft/image.hpp"
#include "weft/version.hpp"

namespace {

using weft::Code;
using weft::Result;
namespace ground = weft::ground;

struct Options {
  uint32_t count = 16;
  uint64_t seed = 0;
  ground::Split split = ground::Split::test;
  std::string directory;
  std::string raw_file;
};

weft::Image to_image(const std::vector<uint8_t>& pixels, uint32_t channels) {
  constexpr auto kSide = static_cast<uint32_t>(ground::kImageSize);
  return weft::Image{.width = kSide, .height = kSide, .channels = channels, .pixels = pixels};
}

// The index line of one phrase; writes its mask beside the picture.
Result<nlohmann::json> write_phrase(const std::filesystem::path& directory, const std::string& name,
                                    const ground::Scene& scene, size_t index) {
  const ground::Phrase& phrase = scene.phrases[index];
  const std::string mask_name = name + "_mask" + std::to_string(index) + ".png";
  WEFT_TRY(
      weft::write_png((directory / mask_name).string(), to_image(scene.mask(phrase.referent), 1)));
  nlohmann::json line = {{"text", phrase.text},
                         {"mask", mask_name},
                         {"referent", phrase.referent},
                         {"word_objects", phrase.word_objects}};
  if (phrase.reference >= 0) line["reference"] = phrase.reference;
  return line;
}

// Files NAME.png and NAME_mask0.png, ...; returns the scene's line of the index.
Result<nlohmann::json> write_scene(const std::filesystem::path& directory,
                                   const ground::Scene& scene) {
  char name[32];
  std::snprintf(name, sizeof name, "scene_%06llu", static_cast<unsigned long long>(scene.seed));
  const std::string image_name = std::string(name) + ".png";
  WEFT_TRY(weft::write_png((directory / image_name).string(), to_image(scene.image, 3)));
  nlohmann::json line = {{"seed", scene.seed},
                         {"split", ground::to_string(scene.split)},
                         {"image", image_name},
                         {"objects", nlohmann::json::array()},
                         {"phrases", nlohmann::json::array()}};
  for (const ground::Object& object : scene.objects) {
    constexpr double kUnits = ground::kUnitsPerPixel;
    line["objects"].push_back({{"shape", ground::to_string(object.shape)},
                               {"colour", ground::to_string(object.colour)},
                               {"size", ground::to_string(object.size)},
                               {"x", object.x / kUnits},
                               {"y", object.y / kUnits},
                               {"radius", object.radius / kUnits}});
  }
  for (size_t i = 0; i < scene.phrases.size(); ++i) {
    WEFT_ASSIGN(nlohmann::json phrase, write_phrase(directory, name, scene, i));
    line["phrases"].push_back(std::move(phrase));
  }
  return line;
}

Result<void> write_directory(const Options& options) {
  const std::filesystem::path directory = options.directory;
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return weft::fail(Code::invalid_argument,
                      "scenes: cannot create " + options.directory + ": " + error.message());
  }
  const std::string index_name = (directory / "index.jsonl").string();
  std::ofstream index(index_name, std::ios::binary);
  for (uint32_t i = 0; i < options.count; ++i) {
    WEFT_ASSIGN(const nlohmann::json line,
                write_scene(directory, ground::make_scene(options.seed + i, options.split)));
    index << line.dump() << '\n';
  }
  index.flush();
  if (!index) return weft::fail(Code::invalid_argument, "scenes: cannot write " + index_name);
  return {};
}

// The layout is described in ground/README.md; every field is a byte, so it has no endianness.
void append_record(const ground::Scene& scene, std::vector<uint8_t>& bytes) {
  const auto put = [&](int32_t value) { bytes.push_back(static_cast<uint8_t>(value)); };
  bytes.insert(bytes.end(), scene.image.begin(), scene.image.end());
  bytes.insert(bytes.end(), scene.labels.begin(), scene.labels.end());
  put(static_cast<int32_t>(scene.objects.size()));
  put(static_cast<int32_t>(scene.phrases.size()));
  for (size_t i = 0; i < static_cast<size_t>(ground::kMaxObjects); ++i) {
    const bool has = i < scene.objects.size();
    put(has ? static_cast<int32_t>(scene.objects[i].shape) : -1);
    put(has ? static_cast<int32_t>(scene.objects[i].colour) : -1);
    put(has ? static_cast<int32_t>(scene.objects[i].size) : -1);
  }
  for (size_t i = 0; i < static_cast<size_t>(ground::kMaxPhrases); ++i) {
    const ground::Phrase none;
    const ground::Phrase& phrase = i < scene.phrases.size() ? scene.phrases[i] : none;
    put(static_cast<int32_t>(phrase.words.size()));
    put(phrase.referent);
    put(static_cast<int32_t>(phrase.relation));
    put(phrase.reference);
    for (size_t w = 0; w < ground::kMaxWords; ++w) {
      put(w < phrase.words.size() ? phrase.words[w] : 0);
    }
    for (size_t w = 0; w < ground::kMaxWords; ++w) {
      put(w < phrase.words.size() ? phrase.word_objects[w] : -1);
    }
  }
}

Result<void> write_raw(const Options& options) {
  std::ofstream file(options.raw_file, std::ios::binary);
  file.write("WEFTSCN1", 8);
  std::vector<uint8_t> record;
  for (uint32_t i = 0; i < options.count && file; ++i) {
    record.clear();
    append_record(ground::make_scene(options.seed + i, options.split), record);
    file.write(reinterpret_cast<const char*>(record.data()),
               static_cast<std::streamsize>(record.size()));
  }
  file.flush();
  if (!file) return weft::fail(Code::invalid_argument, "scenes: cannot write " + options.raw_file);
  return {};
}

Result<void> run(const Options& options) {
  if (!options.raw_file.empty()) WEFT_TRY(write_raw(options));
  if (!options.directory.empty()) WEFT_TRY(write_directory(options));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Writes generated scenes of coloured shapes, with phrases and exact masks.",
               "weft_scenes");
  app.set_version_flag("--version", "weft_scenes " WEFT_VERSION);
  app.add_option("-n,--count", options.count, "How many scenes")->capture_default_str();
  app.add_option("--seed", options.seed, "Seed of the first scene; the others count up from it")
      ->capture_default_str();
  std::string split = "test";
  app.add_option("--split", split, "train and test: alike; held-out: pairs never trained on")
      ->check(CLI::IsMember({"train", "test", "held-out"}))
      ->capture_default_str();
  auto* outputs = app.add_option_group("outputs", "at least one is needed");
  outputs->add_option("-o,--output", options.directory,
                      "Directory for pictures, masks and index.jsonl (created if missing)");
  outputs->add_option("--raw", options.raw_file, "File for all scenes as raw records");
  outputs->require_option(1, 2);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  for (ground::Split value : {ground::Split::train, ground::Split::test, ground::Split::held_out}) {
    if (split == ground::to_string(value)) options.split = value;
  }
  if (const auto result = run(options); !result) {
    std::fprintf(stderr, "weft_scenes: %s\n", result.error().message.c_str());
    return 2;
  }
  return 0;
}
