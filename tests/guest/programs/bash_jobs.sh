# Background jobs, traps, signals, wait and job control of bash.
set -u
# A child of bash has bash's handlers until it runs its program: a signal that comes before is lost, on any kernel.
begun() { until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done; }
sleep 0.05 & wait $!; echo "waited $?"
(exit 5) & p=$!; wait $p; echo "status $?"
for i in 1 2 3; do (exit $i) & pids[$i]=$!; done
for i in 3 1 2; do wait "${pids[$i]}"; echo "job $i: $?"; done
trap 'echo caught USR1' USR1; kill -USR1 $$; trap 'echo caught TERM' TERM; kill $$; trap - USR1 TERM
(trap 'echo child TERM; exit 3' TERM; : > ready; while :; do sleep 0.02; done) & p=$!
while [ ! -e ready ]; do sleep 0.01; done; kill -TERM $p; wait $p; echo "trapped $?"
sleep 100 & begun; kill -9 $!; wait $! 2>/dev/null; echo "killed $?"
sleep 100 & begun; kill -STOP $!; kill -CONT $!; kill -TERM $!; wait $! 2>/dev/null; echo "ended $?"
bash -c 'kill -SEGV $$'; echo "segv $?"
bash -c 'trap "" HUP; kill -HUP $$; echo survived'
bash -c 'trap "echo in handler; exit 4" INT; kill -INT $$; echo not reached'; echo "$?"
trap 'echo "ERR at $LINENO"' ERR; false; trap - ERR
trap 'echo exit of subshell' EXIT; (trap 'echo inner exit' EXIT; true); trap - EXIT
(sleep 0.01; kill -USR2 $$) & trap 'echo USR2 ends wait' USR2; sleep 5 & s=$!; wait $s; echo "wait gave $?"; begun; kill $s; wait $s 2>/dev/null
wait
sleep 0.1 & sleep 0.02 & wait -n; echo "first $?"; wait; echo "all $?"
jobs; echo "no jobs: $?"
set -m
sleep 0.05 & fg > /dev/null; echo "fg $?"
sleep 100 & begun; kill -STOP %1; wait %1 2> /dev/null; echo "stopped $?"
jobs | sed 's/ \+/ /g'; bg %1 > /dev/null; kill %1; wait %1 2> /dev/null; echo "after bg $?"
ps -o pgid= $$ > /dev/null
(cat /proc/self/stat | cut -d' ' -f3)
set +m
timeout 0.1 sleep 10; echo "timeout $?"; timeout -s KILL 0.1 sleep 10; echo "timeout KILL $?"
nohup true 2> /dev/null; echo "nohup $?"
mkfifo gate; (read -r x < gate; echo "opened: $x") & echo word > gate; wait
bash -c 'exec -a renamed sleep 0' ; exec bash -c 'echo last; exit 11'
