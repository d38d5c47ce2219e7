// Runs a fuzzer's function over the folder that is named, without libFuzzer and by any compiler. Of
// the files, valid_* must be accepted and refused_* must not.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

#include "fuzz.hpp"

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  int accepted = 0, refused = 0, wrong = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(argv[1])) {
    const std::string name = entry.path().filename().string();
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> text(std::istreambuf_iterator<char>(file), {});
    const bool is_accepted = weft::fuzz::accepts(std::as_bytes(std::span(text)));
    ++(is_accepted ? accepted : refused);
    if (!name.starts_with(is_accepted ? "refused_" : "valid_")) continue;
    std::fprintf(stderr, "%s was %s\n", name.c_str(), is_accepted ? "accepted" : "refused");
    ++wrong;
  }
  std::printf("%d files accepted, %d refused, %d wrongly\n", accepted, refused, wrong);
  return accepted > 0 && refused > 0 && wrong == 0 ? 0 : 1;
}
