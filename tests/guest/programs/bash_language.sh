# Arithmetic, arrays, expansions, globbing, functions and tests of bash.
echo $((2 ** 40)) $((0x1f + 017 + 2#101)) $((7 / 2)) $((-7 % 3)) $((5 > 3 ? 10 : 20)) $((1 << 62))
i=0; while ((i < 5)); do ((i += 2)); done; echo $i
a=(one two "three four" five); echo "${#a[@]} ${a[2]} ${a[@]:1:2} ${!a[@]}"
declare -A m=([x]=1 [y]=2); m[z]=3; for k in x y z; do echo -n "$k=${m[$k]} "; done; echo
s=/usr/local/lib/libx.so.1; echo "${s##*/} ${s%/*} ${s/lib/LIB} ${s//lib/LIB} ${#s} ${s:5:5} ${s^^}"
unset u; echo "${u:-default} ${u:=set} ${u:+other}"
touch a1 a2 b1 .hidden 'sp ace'; mkdir -p d/e; touch d/f d/e/g
echo * ; echo a? [ab]1; echo .h*; shopt -s globstar; echo **; shopt -s extglob; echo !(a*); shopt -s nullglob; echo none* end
for f in *; do [[ -f $f && $f == a* ]] && echo "file $f"; done
[[ abc123 =~ ^([a-z]+)([0-9]+)$ ]] && echo "${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"
test -d d -a -f a1 && echo "test ok"; [ -x /bin/sh ] && echo executable; [ a1 -nt b1 ] || echo not newer
f() { local x=$1; shift; echo "f $x $# $*"; return 3; }; f 1 2 3; echo $?
fact() { (($1 <= 1)) && echo 1 || echo $(($1 * $(fact $(($1 - 1))))); }; fact 10
case abc in a*) echo glob;; *) echo no;; esac
printf '%05d|%-8s|%x|%q|%b\n' 42 left 255 'a b' 'x\ty'
echo {1..5} {a..e} pre{x,y}post; echo ~+ | sed "s|$PWD|here|"
read -r p q r <<< "1 2 3 4"; echo "$p|$q|$r"
IFS=: read -ra parts <<< "a:b:c"; echo "${parts[1]}"
mapfile -t lines < <(printf 'l1\nl2\n'); echo "${#lines[@]} ${lines[1]}"
set -- -a -b val rest; while getopts ab: o; do echo "opt $o ${OPTARG-}"; done; shift $((OPTIND - 1)); echo "$1"
echo $BASH_SUBSHELL $(echo $BASH_SUBSHELL); echo "${0##*/}"
select x in yes no; do echo "picked $x"; break; done <<< 2 2>/dev/null
umask 027; touch masked; stat -c %a masked; umask
cd d && pwd | sed 's|.*/||'; cd - > /dev/null; pushd d/e > /dev/null; dirs -p | wc -l; popd > /dev/null
type -t echo ls f if; command -v true; hash -r
env -i A=1 B=2 env | sort; export X=exported; bash -c 'echo $X'
nosuchcommand 2>&1 | sed 's/.*line [0-9]*: //'; echo "${PIPESTATUS[0]}"
./a1 2>&1 | sed 's/.*line [0-9]*: //'; d/ 2>&1 | sed 's/.*line [0-9]*: //'
trap 'echo bye' EXIT
exit 9
