// Making groups before the load (load.h): CREATE by the first member, INVITE for the others, one
// request under way for a group and some groups at a time.
#include <algorithm>
#include <stdexcept>

#include "bench/load/clock.h"
#include "bench/load/load.h"
#include "shared/client/requests.h"

namespace ims::bench {
namespace {

constexpr std::uint32_t kGroupsUnderWay = 32;
constexpr std::uint32_t kInvitedAtOnce = 400;
constexpr std::uint64_t kGroupIdFirst = 2;  // of requests; 1 is CONNECT's

}  // namespace

bool Load::make_groups() {
  const auto groups = static_cast<std::uint32_t>(streams_.groups().size());
  if (groups > kGroupsPerProcess) {
    throw std::runtime_error("more than " + std::to_string(kGroupsPerProcess) +
                             " groups in one process");
  }
  group_members_made_.resize(groups);
  while (groups_asked_ < groups && groups_asked_ - groups_made_ < kGroupsUnderWay) {
    ask_for_group(groups_asked_++);
  }
  return groups_made_ == groups;
}

void Load::ask_for_group(std::uint32_t index) {
  const Group& group = streams_.groups()[index];
  std::uint32_t& made = group_members_made_[index];
  client::OutGroupRequest request;
  request.op = made == 0 ? GroupOp::kCreate : GroupOp::kInvite;
  request.group = name_of_group(index).view();
  const std::uint32_t end = std::min(std::max(made, 1u) + kInvitedAtOnce, group.size);
  for (std::uint32_t at = std::max(made, 1u); at < end; ++at) {
    request.users.push_back(named(streams_.member(group, at)));
  }
  made = end;
  send_request(group.start, kGroupIdFirst + index, RequestType::kGroup,
               client::group_payload(request));
}

// Afterwards, so that a next run with the same users finds them without groups. What is refused
// here is of no interest any more.
void Load::dismiss_groups() {
  if (groups_made_ == 0) return;
  dismissing_ = true;
  client::OutGroupRequest request;
  request.op = GroupOp::kDismiss;
  heard_ns_ = now_ns();
  for (std::uint32_t asked = 0;
       groups_dismissed_ < groups_made_ && has_time(heard_ns_, options_.drain_seconds) &&
       !was_interrupted(2 * kInterruptedDrainNs);) {
    while (asked < groups_made_ && asked - groups_dismissed_ < kGroupsUnderWay) {
      const std::uint32_t owner = streams_.groups()[asked].start;
      request.group = name_of_group(asked).view();
      if (users_[owner].state == UserState::kOnline) {
        send_request(owner, kGroupIdFirst + asked, RequestType::kGroup,
                     client::group_payload(request));
      } else {
        ++groups_dismissed_;
      }
      ++asked;
    }
    sockets_.turn(now_ns() + 10 * kNsPerMillisecond);
  }
}

void Load::on_request_answer(std::uint32_t user, const Seen& seen) {
  const std::uint64_t index = seen.id - kGroupIdFirst;
  if (index >= groups_asked_ || streams_.groups()[index].start != user) {
    return breach(Rule::kAnswerUnknown, named(user) + " was answered id " +
                                            std::to_string(seen.id));
  }
  if (dismissing_) {
    ++groups_dismissed_;
    return;
  }
  if (seen.code != Code::kOk) {
    throw std::runtime_error("a group was refused: code " +
                             std::to_string(static_cast<int>(seen.code)) + " " +
                             std::string(seen.reason));
  }
  const auto group = static_cast<std::uint32_t>(index);
  streams_.timeline(group, 0).add(seen.seq);
  if (group_members_made_[group] < streams_.groups()[group].size) return ask_for_group(group);
  ++groups_made_;
}

}  // namespace ims::bench
