# Pipelines, redirections, here-documents and substitutions of bash.
set -u
seq 1 20 | grep -v 3 | sort -rn | head -5 | tr '\n' ' '; echo
printf '%s\n' c a b | sort | tee copy.txt | wc -l
cat copy.txt
false | true; echo "${PIPESTATUS[@]} $?"
set -o pipefail; false | true; echo "$?"; set +o pipefail
yes | head -3
cat <<END
here $((6 * 7)) $(echo nested)
END
cat <<'END'
quoted $((6 * 7))
END
cat <<-END
	tab removed
	END
cat <<<"a here string"
echo to stderr >&2
{ echo both; echo err >&2; } > both.txt 2>&1; cat both.txt
echo more >> both.txt; wc -l < both.txt
exec 5> five.txt; echo five >&5; exec 5>&-; cat five.txt
exec 6< five.txt; read -r line <&6; echo "read $line"; exec 6<&-
echo closed >&5 2>/dev/null || echo "descriptor 5 is closed"
diff <(printf 'a\nb\n') <(printf 'a\nc\n'); echo "diff $?"
echo "into a process" > >(cat > sub.txt); wait $!; cat sub.txt
coproc CO { while read -r x; do echo "got $x"; done; }
echo one >&"${CO[1]}"; read -r answer <&"${CO[0]}"; echo "$answer"
echo two >&"${CO[1]}"; read -r answer <&"${CO[0]}"; echo "$answer"
eval "exec ${CO[1]}>&-"; wait "$CO_PID"; echo "coproc $?"
mkfifo fifo; (echo through a fifo > fifo &) ; cat fifo
x=$(for i in 1 2 3; do echo "$i"; done); echo "$x" | paste -sd+ | tee /dev/stderr | bc 2>/dev/null || true
dd if=/dev/zero bs=1000 count=1000 2>/dev/null | wc -c
head -c 3000000 /dev/zero | tr '\0' 'x' | md5sum
(exit 7); echo "subshell $?"
( ulimit -n 64; ulimit -n )
time -p true 2>/dev/null
set -C; echo again > both.txt; echo "noclobber $?"; set +C
echo done
