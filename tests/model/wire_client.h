// The bytes of one client in either edition, made and read with libprotobuf alone, and what it was
// sent since clear(). Knows the order of frames that holds always; throws Difference where it does
// not.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "ims.pb.h"
#include "tests/model/model.h"

namespace ims::model {

struct Difference : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class WireClient {
 public:
  explicit WireClient(bool envelope) : envelope_(envelope) {}

  std::string connect_frame(const Connect& connect) const;
  std::string request_frame(const Request& request, std::uint64_t id) const;
  std::string disconnect_frame() const;

  void feed(const std::string& bytes);
  void clear();

  // Since clear():
  std::map<std::string, std::vector<Row>> rows;  // by timeline, as Pushes
  std::vector<std::string> rows_order;           // the timelines as their rows came
  std::vector<Message> relayed;
  std::vector<PresenceResult> presence;
  std::vector<std::pair<std::uint64_t, Response>> responses;
  std::optional<ConAck> login;
  int disconnect = -1;

 private:
  std::string frame(std::uint64_t id, int command, const std::string& body) const;
  void on_frame(const std::string& payload);
  void on_push(const Request& request);

  const bool envelope_;
  std::string stream_;
  bool answered_ = false;
  bool ended_ = false;
};

}  // namespace ims::model
