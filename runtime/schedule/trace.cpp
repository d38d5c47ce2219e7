// Operation times in the Trace Event Format of Chrome and Perfetto: complete events ("ph": "X"), in
// microseconds.
#include <cstdio>

#include "weft/recorder.hpp"

namespace weft {
namespace {

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      result += escape;
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

}  // namespace

std::string chrome_trace(std::span<const OperationTime> times, const std::string& device_name) {
  std::string json = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
                     "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"tid\":1,\"args\":{\"name\":" +
                     quoted(device_name) + "}}";
  for (const OperationTime& time : times)
    json += ",\n{\"name\":" + quoted(time.name) + ",\"cat\":\"weft\",\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":" +
            number(time.begin_ns / 1e3) + ",\"dur\":" + number((time.end_ns - time.begin_ns) / 1e3) +
            ",\"args\":{\"kernel\":" + quoted(time.kernel) + ",\"flops\":" + number(time.flops) +
            ",\"bytes\":" + number(time.bytes) + "}}";
  return json + "\n]}\n";
}

}  // namespace weft
