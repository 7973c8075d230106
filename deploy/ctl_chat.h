// imsctl chat: a chat in the terminal, a line at a time; /help lists what may be typed.
//
// What was missed is shown at login. Each row is shown once and then acknowledged (EXPLICIT). A
// line that was not answered when a connection broke is sent again with the same client_id, so that
// it is stored once. Reconnects by itself, waiting longer each time.
//
// Threads  One, and blocking: poll() over the terminal and the socket.
// Errors   OperatorError where the login is refused.
#pragma once

#include "deploy/ctl_link.h"

namespace ims {

int run_chat(LinkOptions options);

}  // namespace ims
