// An app that has Vulkan already: its own instance, device, queue, buffers and kernel
// (samples/embed). Weft's attention stands between two of its dispatches, in its command buffer,
// and all of it is one submission.
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "embed/app.hpp"
#include "weft/vulkan.h"
#include "weft/weft.hpp"

namespace {

using embed::App;
using embed::AppBuffer;
using embed::check;
using weft::Result;

constexpr int64_t kHeads = 2, kQueries = 5, kKeys = 7, kDim = 8;

// The app's buffer as a tensor of Weft: no copy.
Result<weft::Tensor> tensor(const weft::Device& device, const AppBuffer& buffer,
                            const weft::Dims& shape) {
  weft::Tensor tensor{
      .dtype = weft::DType::f32, .shape = shape, .strides = weft::dense_strides(shape)};
  WEFT_ASSIGN(tensor.buffer, weft::wrap_buffer(device, {.buffer = buffer.buffer,
                                                        .size_bytes = buffer.count * sizeof(float),
                                                        .usage = buffer.usage}));
  return tensor;
}

// What the submission computes, in plain loops: attention of 2 * raw + 0.5, times 10, minus 1.
std::vector<float> expected(const AppBuffer& raw, const AppBuffer& key, const AppBuffer& value) {
  std::vector<float> result(raw.count);
  for (int64_t row = 0; row < kHeads * kQueries; ++row) {
    const int64_t first_key = row / kQueries * kKeys;
    double weights[kKeys], sum = 0;
    for (int64_t k = 0; k < kKeys; ++k) {
      double score = 0;
      for (int64_t d = 0; d < kDim; ++d)
        score += (2.0 * raw.data[row * kDim + d] + 0.5) * key.data[(first_key + k) * kDim + d];
      sum += weights[k] = std::exp(score / std::sqrt(double{kDim}));
    }
    for (int64_t d = 0; d < kDim; ++d) {
      double mean = 0;
      for (int64_t k = 0; k < kKeys; ++k)
        mean += weights[k] / sum * value.data[(first_key + k) * kDim + d];
      result[row * kDim + d] = static_cast<float>(10 * mean - 1);
    }
  }
  return result;
}

Result<double> run(App& app) {
  WEFT_TRY(app.open());
  WEFT_ASSIGN(const AppBuffer raw, app.make_buffer(kHeads * kQueries * kDim));
  WEFT_ASSIGN(const AppBuffer query, app.make_buffer(raw.count));
  WEFT_ASSIGN(const AppBuffer key, app.make_buffer(kHeads * kKeys * kDim));
  WEFT_ASSIGN(const AppBuffer value, app.make_buffer(key.count));
  WEFT_ASSIGN(const AppBuffer output, app.make_buffer(raw.count));
  WEFT_ASSIGN(const AppBuffer result, app.make_buffer(raw.count));
  for (const AppBuffer* input : {&raw, &key, &value})
    for (uint32_t i = 0; i < input->count; ++i)
      input->data[i] = std::sin(0.7f * static_cast<float>(i + input->count));

  WEFT_ASSIGN(const weft::Device device, weft::adopt_device(app.to_adopt()));
  weft::AttentionCall call;
  WEFT_ASSIGN(call.query, tensor(device, query, {1, kHeads, kQueries, kDim}));
  WEFT_ASSIGN(call.key, tensor(device, key, {1, kHeads, kKeys, kDim}));
  WEFT_ASSIGN(call.value, tensor(device, value, {1, kHeads, kKeys, kDim}));
  WEFT_ASSIGN(call.output, tensor(device, output, {1, kHeads, kQueries, kDim}));
  weft::Recorder recorder(device);
  WEFT_TRY(weft::attention(recorder, call));

  const VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  WEFT_TRY(check(vkBeginCommandBuffer(app.commands, &begin), "vkBeginCommandBuffer"));
  app.dispatch(raw, query, 2.0f, 0.5f);
  // Weft's barriers to what stands before and after come with it.
  WEFT_ASSIGN(const weft::ExternalRecording recording, weft::record_into(recorder, app.commands));
  app.dispatch(output, result, 10.0f, -1.0f);
  app.barrier(VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_2_HOST_BIT);
  WEFT_TRY(check(vkEndCommandBuffer(app.commands), "vkEndCommandBuffer"));
  WEFT_TRY(app.submit_and_wait());  // `recording` lives on until here

  const std::vector<float> wanted = expected(raw, key, value);
  double error = 0;
  for (uint32_t i = 0; i < result.count; ++i)
    error = std::fmax(error, std::fabs(result.data[i] - wanted[i]));
  for (uint32_t i = 0; i < kDim; ++i)
    std::printf("%.3f%s", result.data[i], i + 1 < kDim ? " " : "\n");
  std::printf("%s: 3 dispatches, 1 submission, largest difference from plain loops %.1e\n",
              device.traits().name.c_str(), error);
  return error;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    const std::string option = argv[1];
    const bool version = option == "--version";
    std::printf(
        version
            ? "embed_vulkan " WEFT_VERSION "\n"
            : "embed_vulkan: attention inside an app's own Vulkan submission; --help, --version\n");
    return version || option == "--help" ? 0 : 2;
  }
  App app;
  const auto error = run(app);
  if (!error) {
    std::fprintf(stderr, "embed_vulkan: %s\n", error.error().message.c_str());
    return 2;
  }
  return *error < 1e-5 ? 0 : 1;
}
