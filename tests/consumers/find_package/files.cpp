// Uses weft::io: a picture survives a resize.
#include <cstdio>
#include <weft/checkpoint.hpp>
#include <weft/image.hpp>
#include <weft/npy.hpp>
#include <weft/safetensors.hpp>

int main() {
  const weft::Image one{.width = 1, .height = 1, .channels = 3, .pixels = {10, 20, 30}};
  const auto larger = weft::resize(one, 2, 2);
  if (!larger || larger->pixels.size() != 12 || larger->pixels[10] != 20) return 1;
  const auto missing = weft::read_npy("no_such_file.npy");
  if (missing || missing.error().code != weft::Code::invalid_argument) return 1;
  const auto no_checkpoint = weft::Checkpoint::open("no_such_file.safetensors");
  if (no_checkpoint || no_checkpoint.error().code != weft::Code::invalid_argument) return 1;
  std::printf("%s\n", missing.error().message.c_str());
  return 0;
}
