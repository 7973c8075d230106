// Fuzzes the command codec against libprotobuf.
//
//   input = byte 0: its lowest bit is the edition | the rest: one frame without its length prefix
//
// For every input both must agree on accept or refuse and on every value
// (tests/shared/wire_oracle.h says how). The second half of the work is the same bytes taken as the
// inner messages directly, so that the fuzzer need not first learn the outer layers.
#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>

#include "tests/shared/wire_oracle.h"

namespace {

void expect_same(const std::string& difference) {
  if (difference.empty()) return;
  std::fprintf(stderr, "%s\n", difference.c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  google::protobuf::SetLogHandler(nullptr);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ims::Edition edition = (data[0] & 1) != 0 ? ims::Edition::kV1 : ims::Edition::kV2;
  const ims::ByteView bytes = std::as_bytes(std::span(data + 1, size - 1));
  expect_same(ims::check_frame(edition, bytes));
  if ((data[0] & 2) != 0) {
    expect_same(ims::check_message(bytes));
    expect_same(ims::check_other_payloads(bytes));
  }
  return 0;
}
