// Draws operations: mostly possible ones, from what the model knows, some wrong ones, some absurd.
// Everything follows from the seed and from what the model says.
#pragma once

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "shared/prng.h"
#include "tests/model/operation.h"

namespace ims::model {

struct Shape {
  std::uint64_t users = 50;
  std::uint64_t groups = 10;
  std::uint64_t tenants = 2;
  std::uint64_t devices = 4;  // at most 4 names
  std::size_t sessions = 60;  // about as many are open
  unsigned login_weight = 70;
  unsigned restart_weight = 2;
  unsigned wait_weight = 5;
  std::int64_t leap_ms_max = 400'000;
  std::size_t message_bytes_max = 600;
  bool made_ids = true;   // CREATE without an id
  bool ids_only = false;  // no request with id 0
  bool crashes = true;
};

class Generator {
 public:
  Generator(std::uint64_t seed, const Shape& shape, const Model& model)
      : prng_(Prng(seed).next()), shape_(shape), model_(model) {}

  Operation next();

 private:
  struct Open {
    Who who;
    bool envelope = false;
  };

  Operation connect();
  Request message(const Who& who);
  Request wrong_message(Request request);
  Request ack(const Who& who);
  Request sync(const Who& who);
  Request contact(const Who& who);
  Request group(const Who& who);
  Request presence(const Who& who);

  std::string user();                         // some are busier than others
  std::string near(const std::string& name);  // one of those that this one deals with
  std::string any_user(const Who& who);
  std::string any_group(const Who& who);
  std::string own_group(const Who& who, int role);  // one where it has at least that role
  std::string contact_in(const Who& who, int state);
  std::string member_of(int tenant, const std::string& group);
  std::uint64_t own_row(const Who& who, const Timeline& rows);
  const Model::Tenant* tenant(int index) const;
  std::uint64_t newest(const Who& who, const std::string& group) const;
  std::string wrong_name();
  std::string payload();
  std::uint64_t near_head(std::uint64_t head);
  std::string pick(const std::vector<std::string>& names) {
    return names.empty() ? std::string() : names[prng_.below(names.size())];
  }
  template <typename T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[prng_.below(values.size())];
  }

  Prng prng_;
  const Shape shape_;
  const Model& model_;
  int clients_ = 0;
  std::map<int, Open> open_;
  std::map<std::pair<int, std::string>, std::deque<Request>> sent_;  // with client_id
  std::uint64_t client_ids_ = 0;
};

}  // namespace ims::model
