// What workers tell each other of a user's presence (logic/presence_text.h).
#include "logic/presence_text.h"

#include <doctest/doctest.h>

namespace ims::logic {
namespace {

TEST_CASE("presence text: several, one behind the other") {
  const std::string longest(64, 'd');
  std::string text;
  append_presence_text(text, {"ann", true, 0, {"", longest, "phone"}});
  append_presence_text(text, {std::string(64, 'n'), false, 1'700'000'000'123, {}});
  std::string_view left = text;
  PresenceText presence = take_presence_text(left);
  CHECK(presence.user == "ann");
  CHECK(presence.online);
  CHECK(presence.last_seen_ms == 0);
  CHECK(presence.devices == std::vector<std::string_view>{"", longest, "phone"});
  presence = take_presence_text(left);
  CHECK(presence.user == std::string(64, 'n'));
  CHECK_FALSE(presence.online);
  CHECK(presence.last_seen_ms == 1'700'000'000'123);
  CHECK(presence.devices.empty());
  CHECK(left.empty());
}

TEST_CASE("presence text: names alone") {
  std::string text;
  append_presence_name(text, "ann");
  append_presence_name(text, "");
  std::string_view left = text;
  CHECK(take_presence_name(left) == "ann");
  CHECK(take_presence_name(left).empty());
  CHECK(left.empty());
}

}  // namespace
}  // namespace ims::logic
