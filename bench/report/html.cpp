#include "html.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace weft::report {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool is_forbidden(std::string_view data, std::size_t i) {
  const auto byte = static_cast<unsigned char>(data[i]);
  if (byte < 0x20) return byte != '\n' && byte != '\t';
  return byte == 0x7F;
}

// U+FFFE and U+FFFF, which XML forbids.
bool is_noncharacter(std::string_view data, std::size_t i) {
  return data.substr(i, 3) == "\xEF\xBF\xBE" || data.substr(i, 3) == "\xEF\xBF\xBF";
}

}  // namespace

std::string escape(std::string_view data) {
  std::string out;
  out.reserve(data.size());
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (is_noncharacter(data, i)) {
      out += kReplacement;
      i += 2;
      continue;
    }
    switch (data[i]) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if (is_forbidden(data, i)) {
          out += kReplacement;
        } else {
          out += data[i];
        }
    }
  }
  return out;
}

std::string significant(double value, int digits) {
  if (!std::isfinite(value)) return "–";
  if (value == 0) return "0";
  // Rounded first: 999.6 has its decimals counted as 1000.
  char rounded[48];
  std::snprintf(rounded, sizeof rounded, "%.*e", digits - 1, value);
  const int exponent = std::atoi(std::strchr(rounded, 'e') + 1);
  char out[400];
  std::snprintf(out, sizeof out, "%.*f", std::clamp(digits - 1 - exponent, 0, 12), value);
  return out;
}

std::string show_plain(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

std::string show_time(double ns) {
  if (ns < 999.5) return significant(ns) + " ns";
  if (ns < 999.5e3) return significant(ns / 1e3) + " µs";
  if (ns < 999.5e6) return significant(ns / 1e6) + " ms";
  return significant(ns / 1e9) + " s";
}

std::string show_rate(double per_s, std::string_view unit) {
  constexpr const char* kPrefixes[] = {"", "k", "M", "G", "T", "P"};
  int step = 0;
  while (per_s >= 999.5 && step < 5) {
    per_s /= 1000;
    ++step;
  }
  return significant(per_s) + " " + kPrefixes[step] + std::string(unit);
}

std::string show_bytes(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  int step = 0;
  while (bytes >= 1024 && step < 4) {
    bytes /= 1024;
    ++step;
  }
  return significant(bytes) + " " + kUnits[step];
}

std::string show_percent(double share) {
  return significant(share * 100, share < 0.995 ? 2 : 3) + " %";
}

std::string show_times(double ratio) {
  if (ratio >= 9.995) return significant(ratio) + "×";
  char text[32];
  std::snprintf(text, sizeof text, "%.2f×", ratio);
  return text;
}

std::string show_count(std::size_t count, std::string_view one) {
  return std::to_string(count) + " " + std::string(one) + (count == 1 ? "" : "s");
}

}  // namespace weft::report
