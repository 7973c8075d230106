// The same operations for the model and for a server, one after the other, each compared before the
// next: the answer, and everything that every session was sent. Throws Difference.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/model/compare.h"
#include "tests/model/generator.h"
#include "tests/model/place.h"

namespace ims::model {

class Differential {
 public:
  Differential(Place& place, const Limits& limits) : place_(place), model_(limits) {}

  const Model& model() const { return model_; }
  void apply(const Operation& operation);
  // Only lets the time pass that it would have taken.
  void pass_over(const Operation& operation);
  // Everything that a client was sent, in order; by client.
  void keep_bytes() { keeps_bytes_ = true; }
  const std::map<int, std::string>& bytes() const { return bytes_; }
  // For a summary: requests by kind and code, pushes.
  const std::map<std::string, std::uint64_t>& tally() const { return tally_; }

 private:
  struct Client {
    WireClient wire;
    Who who;
    std::uint64_t last_id = 0;
    bool closes = false;  // it left: the server closes behind its last answer
  };

  bool is_new_device(const Who& who);
  void connect(const Operation& operation);
  void request(const Operation& operation);
  void ask(const Operation& operation);
  void settle(const Operation& operation);
  void read_all();
  std::string compare();
  void wait_for_copy(const Operation& operation);

  Place& place_;
  Model model_;
  std::map<int, Client> clients_;
  std::map<int, Pushes> due_;
  std::int64_t started_ms_ = 0;
  bool keeps_bytes_ = false;
  std::map<int, std::string> bytes_;
  std::map<std::string, std::uint64_t> tally_;
  // Of the operation at hand.
  std::function<std::string()> compare_answer_;
  bool may_repeat_ = false;
};

}  // namespace ims::model
