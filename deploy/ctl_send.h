// imsctl send: one text, stored, its seq on standard output. A connection that breaks is made again
// for kTryMax, with the same client_id, so that the text is stored once.
//
// Errors  OperatorError: the refusal's code and sentence.
#pragma once

#include <string>

#include "deploy/ctl_link.h"

namespace ims {

struct SendOptions {
  LinkOptions link;
  std::string to;     // one of the two
  std::string group;
  std::string text;
};

int run_send(SendOptions options);

// "NOT_FOUND", as PROTOCOL.md section 7 writes it.
const char* name_of(Code code) noexcept;

}  // namespace ims
