// What libprotobuf says about the same bytes. The differential tests of the codec, seeded
// (command_test.cc) and fuzzed (tests/fuzz/command_fuzz.cc), both ask here.
//
// Each check_* decodes `bytes` with shared/ and with libprotobuf's generated code, applies
// PROTOCOL.md's own rules to the latter, and returns "" if the two agree in status and in every
// value, else one line that says where they differ. To tell "not UTF-8" from "does not decode",
// the oracle parses again with a copy of the schema in which every string is bytes.
// Single-threaded: the copy is built on first use.
#pragma once

#include <string>

#include "shared/bytes.h"
#include "shared/codes.h"

namespace ims {

// The outer frame and what is in it, down to the payload of a Request (all payload types), the
// one-pass decoder, and detect_edition.
std::string check_frame(Edition edition, ByteView bytes);

std::string check_message(ByteView bytes);  // spliced pushes included
std::string check_other_payloads(ByteView bytes);  // as each of the other request payloads

}  // namespace ims
