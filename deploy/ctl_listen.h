// imsctl listen: every row and push of a user, one line each, for scripts: JSON (event_json.h), or
// the chat's lines. Acknowledges by itself (AUTO).
//
//   row ─▶ shown before? ─▶ printed and flushed
//   reconnected ─▶ SYNC of each timeline seen, from its last row ─▶ what came meanwhile
//
// The server's cursor may have passed what a broken connection lost, so SYNC fetches it; rows
// pushed meanwhile wait behind it. Each row is printed once in the life of this process.
//
// Errors  OperatorError where the login is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "deploy/ctl_link.h"

namespace ims {

struct ListenOptions {
  LinkOptions link;
  bool json = false;
  std::vector<std::string> watch;        // whose presence is asked and watched
  std::optional<std::uint64_t> count;    // ends after so many lines
  std::optional<std::int64_t> time_ms;   // ends after that time
};

int run_listen(ListenOptions options);

}  // namespace ims
