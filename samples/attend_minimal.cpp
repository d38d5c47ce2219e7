// The smallest program: two words look at three patches.
#include <cstdio>
#include <string>

#include "weft/weft.hpp"

weft::Result<std::vector<float>> attend() {
  WEFT_ASSIGN(weft::Device device, weft::Device::open());
  WEFT_ASSIGN(weft::Tensor words, device.tensor(weft::DType::f32, {1, 1, 2, 4}));  // batch, heads, length, dim
  WEFT_ASSIGN(weft::Tensor patches, device.tensor(weft::DType::f32, {1, 1, 3, 4}));
  WEFT_ASSIGN(weft::Tensor output, device.tensor(weft::DType::f32, {1, 1, 2, 4}));
  WEFT_TRY(device.upload(words, std::vector<float>{9, 0, 0, 0, 0, 9, 0, 0}));
  WEFT_TRY(device.upload(patches, std::vector<float>{1, 0, 0, 5, 0, 1, 0, 6, 0, 0, 1, 7}));

  weft::Recorder recorder(device);
  WEFT_TRY(weft::attention(recorder, {.query = words, .key = patches, .value = patches, .output = output}));
  WEFT_ASSIGN(weft::Ticket ticket, recorder.submit());
  WEFT_TRY(ticket.wait());
  return device.download<float>(output);
}

int main(int argc, char** argv) {
  if (argc > 1) {
    const std::string option = argv[1];
    const bool version = option == "--version";
    std::printf(version ? "attend_minimal " WEFT_VERSION "\n"
                        : "attend_minimal: prints what two words see in three patches; --help, --version\n");
    return version || option == "--help" ? 0 : 2;
  }
  const auto output = attend();
  if (!output) {
    std::fprintf(stderr, "attend_minimal: %s\n", output.error().message.c_str());
    return 2;
  }
  for (size_t i = 0; i < output->size(); ++i) std::printf("%.3f%s", (*output)[i], i % 4 == 3 ? "\n" : " ");
}
