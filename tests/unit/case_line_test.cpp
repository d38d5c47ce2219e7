// The grammar of case lines: what parses, what it prints as, what it refuses.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "reference/case_line.hpp"
#include "reference/placement.hpp"

using namespace weft;
using namespace weft::cases;

namespace {

template <class C>
C parsed(const std::string& line) {
  const auto result = parse(line);
  if (!result) FAIL(result.error().message);
  REQUIRE(std::holds_alternative<C>(*result));
  return std::get<C>(*result);
}

}  // namespace

TEST_CASE("an attention line fills its fields") {
  const auto c = parsed<AttentionCase>(
      "b2 h8 kv4 q4096 k77 d64 dv48 f16 out=f32 mask=drop_i32 mask_shape=bk mask_k=70 masked=rows "
      "bias=f16 bias_shape=hqk bias_k=60 lengths=random lse with_weights scale=-0.25 layout=odd "
      "bcast_kv poison "
      "logits=large seed=7");
  CHECK(c.batch == 2);
  CHECK(c.heads == 8);
  CHECK(c.kv_heads == 4);
  CHECK(c.q_len == 4096);
  CHECK(c.kv_len == 77);
  CHECK(c.head_dim == 64);
  CHECK(c.value_dim == 48);
  CHECK(c.query == DType::f16);
  CHECK(c.kv == DType::f16);
  CHECK(c.output == DType::f32);
  CHECK(c.mask == Mask::drop_i32);
  CHECK(mask_kind(c.mask) == MaskKind::drop);
  CHECK(mask_dtype(c.mask) == DType::i32);
  CHECK(c.mask_shape == "bk");
  CHECK(c.mask_keys == 70);
  CHECK(c.bias == Bias::f16);
  CHECK(bias_dtype(c.bias) == DType::f16);
  CHECK(c.bias_shape == "hqk");
  CHECK(c.bias_keys == 60);
  CHECK(c.lengths == Lengths::random);
  CHECK(c.logsumexp);
  CHECK(c.weights);
  CHECK(c.scale == -0.25f);
  CHECK(c.layout == Layout::odd);
  CHECK(c.broadcast_kv);
  CHECK(c.poison);
  CHECK(c.logits == Logits::large);
  CHECK(c.seed == 7);
}

TEST_CASE("an attention line fills the fields of positions, packing and items") {
  const auto c = parsed<AttentionCase>(
      "b3 h4 q9 k30 d24 f32 softcap=30.5 causal offset=-3 offsets=end window=7,-1 packed=qk "
      "starts=gaps no_max regions=mask sinks null=2 one=qh,nh");
  CHECK(c.softcap == 30.5f);
  CHECK(c.causal);
  CHECK(c.offset == -3);
  CHECK(c.offsets == Offsets::end);
  CHECK(c.window_left == 7);
  CHECK(c.window_right == -1);
  CHECK(c.packed == Packed::qk);
  CHECK(c.starts == Starts::gaps);
  CHECK(c.no_max);
  CHECK(c.regions == Regions::mask);
  CHECK(c.sinks);
  CHECK(c.null_len == 2);
  CHECK(c.ones == (kOneQueryHead | kOneNullHead));
  const auto items = parsed<AttentionCase>("b4 q9 k30 d24 f32 bias score_items=2 value_items=3");
  CHECK(items.bias == Bias::f32);
  CHECK(items.score_items == 2);
  CHECK(items.value_items == 3);
}

TEST_CASE("what a line leaves out follows from the rest") {
  const auto c = parsed<AttentionCase>("  d24 k9 q=5 h6 bf16  # a comment");
  CHECK(c.batch == 1);
  CHECK(c.kv_heads == 6);
  CHECK(c.value_dim == 24);
  CHECK(c.kv == DType::bf16);
  CHECK(c.output == DType::bf16);
  CHECK(c.mask == Mask::none);
  CHECK(c.mask_keys == 9);
  CHECK(c.window_left == -1);
  CHECK(c == parsed<AttentionCase>("attention b1 h6 q5 k9 d24 bf16"));
  CHECK(parsed<AddCase>("add m64 d96 f32").right_rows == 64);
  CHECK(parsed<LinearCase>("linear m1 k2 n3 f32 weight=f16 bias").bias_type == DType::f16);
}

TEST_CASE("lines of operations") {
  const auto linear = parsed<LinearCase>("linear m1024 k768 n96 f32 weight=f16 bias act=gelu");
  CHECK(linear.rows == 1024);
  CHECK(linear.in_features == 768);
  CHECK(linear.out_features == 96);
  CHECK(linear.weight == DType::f16);
  CHECK(linear.output == DType::f32);
  CHECK(linear.activation == Activation::gelu);
  CHECK(parsed<NormCase>("layer_norm m2 d3 f32").norm == Norm::layer);
  CHECK(parsed<NormCase>("rms_norm m2 d3 f32 epsilon=0").epsilon == 0.0f);
  CHECK(parsed<AddCase>("add m64 d96 f16 gate=tanh").gate_type == DType::f16);
  CHECK(parsed<MixKeysCase>("mix_keys k77 d40 f32 matrix").rows == 77);
  CHECK(parsed<RotaryCase>("rotary q9 d40 f32").turned == 40);
  CHECK(parsed<GatherCase>("gather n16 rows=100 d96 f32").table_rows == 100);
  const auto weights =
      parsed<WeightsCase>("weights b1 h4 q9 k256 d24 f32 heads=0,2 keys=1,5,7 mean");
  CHECK(weights.attention.kv_len == 256);
  CHECK(weights.heads == std::vector<uint32_t>{0, 2});
  CHECK(weights.keys == std::vector<uint32_t>{1, 5, 7});
  CHECK(weights.mean_heads);
  CHECK(weights.stage == WeightsStage::probabilities);
  const auto scores =
      parsed<WeightsCase>("weights q9 k7 d24 f32 null=2 stage=masked keys=8 null_last accumulate");
  CHECK(scores.stage == WeightsStage::masked);
  CHECK(scores.keys == std::vector<uint32_t>{8});
  CHECK(scores.null_keys_last);
  CHECK(scores.accumulate);
  const auto merge =
      parsed<MergeCase>("merge b2 h4 q9 d24 f16 right=f32 out=bf16 empty=mixed lse seed=3");
  CHECK(merge.value_dim == 24);
  CHECK(merge.left == DType::f16);
  CHECK(merge.right == DType::f32);
  CHECK(merge.output == DType::bf16);
  CHECK(merge.empty == Empty::mixed);
  CHECK(merge.in_place == InPlace::none);
  CHECK(merge.logsumexp);
}

TEST_CASE("a case prints as the line that gives it") {
  for (const char* line : {
           "b2 h8 q4096 k77 d64 f16",
           "b2 h8 q4096 k77 d64 f16 lse with_weights layout=padded",
           "b1 h1 q1 k1 d1 f32",
           "b0 h2 kv1 q3 k0 d8 dv4 bf16 kv_type=f16 out=f32 mask=keep mask_shape=qk "
           "scale=0.1 lse",
           "b1 h1 q3 k5 d8 f32 lengths=mixed layout=padded bcast_kv poison logits=huge seed=3",
           "b4 h4 q9 k30 d24 f32 mask=drop_i32 mask_k=12 bias=bf16 bias_shape=hk bias_k=9 "
           "softcap=20 "
           "causal offset=-3 offsets=far window=7,-1 sinks null=2 score_items=3 value_items=2 "
           "one=q,v,nh",
           "b3 h2 q9 k30 d24 f32 bias window=-1,4 packed=qk starts=outside no_max regions=equal",
           "weights b1 h2 q9 k20 d8 f32 null=3 stage=capped keys=21,22 null_last accumulate",
           "merge b2 h4 q9 d24 f16 right=bf16 empty=both in_place=left lse layout=odd seed=1",
           "weights b1 h4 q9 k256 d24 f32 heads=0,2 keys=1,5,7 mean",
           "linear m9 k16 n16 f16 weight=bf16 out=f32 bias bias_type=f16 act=silu layout=odd",
           "layer_norm m9 d96 f32 weight=f16 no_weight bias in_place epsilon=1e-06 offset=100",
           "rms_norm m9 d96 bf16 seed=2",
           "add m64 d96 f32 right_rows=16 in_place",
           "gather n16 rows=100 d96 f32 out=f16 outside",
       }) {
    const auto problem = parse(line);
    REQUIRE(problem.has_value());
    CHECK(print(*problem) == line);
  }
}

TEST_CASE("every line of the case files prints as a line that gives it again") {
  for (const char* file :
       {"smoke", "edge", "types", "masks", "semantics", "models", "ops", "weights"}) {
    const auto all = read_file(std::string(WEFT_SOURCE_DIR "/tests/cases/") + file + ".txt");
    if (!all) FAIL(all.error().message);
    CHECK(all->size() >= 10);
    for (const Case& problem : *all) {
      const auto again = parse(print(problem));
      REQUIRE(again.has_value());
      CHECK(*again == problem);
    }
  }
}

TEST_CASE("every line of the benchmarks' suites can be read") {
  for (const auto& suite : std::filesystem::directory_iterator(WEFT_SOURCE_DIR "/bench/suites")) {
    std::ifstream lines(suite.path());
    int count = 0;
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line[0] == '#') continue;
      ++count;
      if (line.starts_with("block ")) continue;  // weft_bench's own, which its schema test reads
      const auto problem = parse(line);
      if (!problem) FAIL(suite.path().string() << ": " << problem.error().message);
    }
    CHECK(count > 0);
  }
}

TEST_CASE("bad lines are refused, naming the word") {
  const struct {
    const char* line;
    const char* says;
  } table[] = {
      {"", "empty"},
      {"   # only a comment", "empty"},
      {"b2 h8 k77 d64 f16", "q<number>"},
      {"q4 k4 d4 f32 speed=9", "speed"},
      {"q4 k4 d4 f32 f16", "f16"},
      {"q4 k4 d4 d8 f32", "'d'"},
      {"q4 k4 d4 f33", "'f'"},
      {"qq4 k4 d4 f32", "q<number>"},
      {"q4 k4 d=4x f32", "4x"},
      {"q4 k4 d=-4 f32", "-4"},
      {"q99999999999999999999 k4 d4 f32", "99999999999999999999"},
      {"q4 k4 d4 f32 mask=yes", "drop_i32"},
      {"q4 k4 d4 f32 mask=bias", "drop_i32"},
      {"q4 k4 d4 f32 bias=f64", "bf16"},
      {"q4 k4 d4 f32 mask_k=5", "mask_k is 5"},
      {"q4 k4 d4 f32 bias_k=-1", "bias_k is -1"},
      {"q4 k4 d4 f32 bias_shape=kb", "bias_shape"},
      {"q4 k4 d4 f32 window=3", "two numbers"},
      {"q4 k4 d4 f32 window=3,x", "two numbers"},
      {"q4 k4 d4 f32 offset=9999999999", "9999999999"},
      {"q4 k4 d4 f32 offsets=start", "negative"},
      {"q4 k4 d4 f32 causal=1", "causal takes no value"},
      {"q4 k4 d4 f32 starts=gaps", "packed"},
      {"q4 k4 d4 f32 no_max", "packed"},
      {"q4 k4 d4 f32 packed=k score_items=2", "items"},
      {"q4 k4 d4 f32 packed=k bcast_kv", "bcast_kv"},
      {"q4 k4 d4 f32 packed=q one=q", "one="},
      {"q4 k4 d4 f32 one=z", "'z'"},
      {"h2 q4 k4 d4 f32 one=kh,vh", "kv1"},
      {"q4 k4 d4 f32 mask", "mask needs a value"},
      {"q4 k4 d4 f32 lse=1", "lse takes no value"},
      {"weights q4 k4 d4 f32 with_weights", "has with_weights"},
      {"q4 k4 d4 f32 mask_shape=kq", "mask_shape"},
      {"q4 k4 d4 f32 mask_shape=bq", "mask_shape"},
      {"q4 k4 d4 f32 mask_shape=bxk", "mask_shape"},
      {"q4 k4 d4 f32 mask_shape=", "mask_shape"},
      {"h6 kv4 q4 k4 d4 f32", "kv_heads 4"},
      {"h6 kv0 q4 k4 d4 f32", "kv_heads 0"},
      {"q4 k4 d4 f32 scale=big", "big"},
      {"q4 k4 d4 f32 act=gelu", "act"},
      {"linear m4 k4 f32", "n<number>"},
      {"linear m4 k4 n4 f32 act=tanh", "gelu_tanh"},
      {"add m6 d4 f32 right_rows=4", "right_rows 4"},
      {"add m6 d4 f32 out=f16 in_place", "in place"},
      {"add m6 d4 f32 no_left in_place", "over nothing"},
      {"add m6 d4 f32 gate=sigmoid", "tanh"},
      {"multiply m6 d4 f32 right_rows=4", "right_rows 4"},
      {"mix_keys k5 d4 f32 rows=3", "no matrix"},
      {"mix_keys k5 d4 f32 one=q", "'q'"},
      {"rotary q5 d4 n6 f32", "at most 4"},
      {"rotary q5 d4 n3 f32", "3 columns"},
      {"weights h2 q4 k4 d4 f32 heads=2", "head 2"},
      {"weights h2 q4 k4 d4 f32 keys=0,4", "key 4"},
      {"weights h2 q4 k4 d4 f32 null=1 keys=5", "key 5"},
      {"weights h2 q4 k4 d4 f32 keys=a", "'a'"},
      {"weights q4 k4 d4 f32 stage=raw", "probabilities"},
      {"weights q4 k4 d4 f32 stage=scaled poison", "poison"},
      {"merge q4 f32", "d<number>"},
      {"merge q4 d4 f32 out=f16 in_place=left", "in place"},
      {"softmax q4 k4 d4 f32", "softmax"},
  };
  for (const auto& [line, says] : table) {
    INFO(line);
    const auto result = parse(line);
    REQUIRE_FALSE(result.has_value());
    INFO(result.error().message);
    CHECK(result.error().code == Code::invalid_argument);
    CHECK(result.error().message.find(says) != std::string::npos);
  }
}

TEST_CASE("a text of lines names the line that is wrong") {
  const auto good = parse_all("# first\n\nq1 k1 d1 f32\n  \nadd m1 d1 f32 # sum\n");
  REQUIRE(good.has_value());
  CHECK(good->size() == 2);
  const auto bad = parse_all("q1 k1 d1 f32\n\nq1 k1 f32\n");
  REQUIRE_FALSE(bad.has_value());
  CHECK(bad.error().message.find("line 3") != std::string::npos);
  CHECK_FALSE(read_file("no/such/file.txt").has_value());
}

TEST_CASE("placements keep elements apart and see writes between them") {
  for (const Layout layout : {Layout::bhld, Layout::blhd, Layout::padded, Layout::odd})
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::i32, DType::u8}) {
      reference::Array array(2, 3, 4, 5);
      for (size_t i = 0; i < array.values.size(); ++i) array.values[i] = static_cast<double>(i);
      const Placement placement = place(dtype, {2, 3, 4, 5}, layout);
      std::vector<std::byte> bytes = encode(array, placement);
      CHECK(decode(bytes, placement).values == array.values);
      CHECK(damage(bytes, placement) == "");
      bytes[placement.offset_bytes - 1] = std::byte{0};
      CHECK(damage(bytes, placement).starts_with("byte -1 "));
      bytes[placement.offset_bytes - 1] = kGuardByte;
      bytes.back() = std::byte{1};
      CHECK(damage(bytes, placement) != "");
    }
  CHECK(place(DType::f16, {7, 64}, Layout::odd).offset_bytes % 4 == 2);
  CHECK(place(DType::f16, {7, 64}, Layout::odd).strides == Dims{65, 1});
  CHECK(place(DType::f32, {7, 64}, Layout::padded).strides == Dims{68, 1});
  CHECK(place(DType::f32, {2, 3, 4, 5}, Layout::blhd).strides == Dims{60, 5, 15, 1});
}

TEST_CASE("distances between neighbours in each type") {
  CHECK(ulp(DType::f16, 1.0) == 0x1p-10);
  CHECK(ulp(DType::f16, -1.99) == 0x1p-10);
  CHECK(ulp(DType::f16, 2.0) == 0x1p-9);
  CHECK(ulp(DType::bf16, 1.0) == 0x1p-7);
  CHECK(ulp(DType::f16, 0.0) == 0x1p-24);
  CHECK(round_to(DType::f16, 1.0 + 0x1p-11) == 1.0);
  CHECK(round_to(DType::bf16, 3.14159) == 3.140625);
}
