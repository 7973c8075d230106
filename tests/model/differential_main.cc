// ims_differential PORT SEED OPERATIONS: the model against a real server, which has the limits
// below (tests/literal/differential_test.py starts it so). Exit code 1: they differ.
#include <google/protobuf/stubs/logging.h>

#include <cstdio>
#include <cstdlib>

#include "tests/model/differential.h"
#include "tests/model/tcp_place.h"

int main(int argc, char** argv) {
  using namespace ims::model;
  if (argc != 4) {
    std::fprintf(stderr, "usage: ims_differential PORT SEED OPERATIONS\n");
    return 2;
  }
  google::protobuf::SetLogHandler(nullptr);  // what is no UTF-8 is sent on purpose
  Limits limits;
  limits.max_message_bytes = 600;
  limits.max_timeline_rows = 150;
  limits.max_contacts = 5;
  limits.max_group_members = 6;
  limits.max_watches = 3;
  // What the kernel took is known to the server a moment later; with a window that fills meanwhile,
  // an own row may be passed later than the session's end, and be pushed to the next one.
  limits.push_window = 64;
  Shape shape;
  shape.users = 8;
  shape.devices = 2;
  shape.sessions = 16;
  shape.message_bytes_max = limits.max_message_bytes;
  shape.login_weight = 40;
  shape.restart_weight = 1;
  shape.wait_weight = 0;
  shape.ids_only = true;
  shape.made_ids = false;  // they are drawn, and what is drawn here is to be from the seed
  TcpPlace place(std::atoi(argv[1]));
  Differential differential(place, limits);
  Generator generator(std::strtoull(argv[2], nullptr, 10), shape, differential.model());
  const int operations = std::atoi(argv[3]);
  for (int i = 1; i <= operations; ++i) {
    const Operation operation = generator.next();
    if (std::getenv("IMS_TRACE") != nullptr) {
      std::fprintf(stderr, "%d: %s\n", i, operation.text().c_str());
    }
    try {
      differential.apply(operation);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "seed %s, operation %d differs at\n  %s\n  %s\n", argv[2], i,
                   operation.text().c_str(), error.what());
      return 1;
    }
  }
  for (const auto& [what, count] : differential.tally()) {
    std::fprintf(stderr, "%s: %llu\n", what.c_str(), static_cast<unsigned long long>(count));
  }
  return 0;
}
