# needs: gcc make ar
# gcc and make build a small C project, a library and a shared object, and run them.
mkdir -p p/src p/include && cd p
cat > include/shape.h <<'END'
#pragma once
double area(double side);
int counter(void);
END
printf '#include "shape.h"\ndouble area(double s) { return s * s; }\n' > src/area.c
printf '#include "shape.h"\nstatic int n;\nint counter(void) { return ++n; }\n' > src/counter.c
printf '#include <stdio.h>\n#include "shape.h"\nint main(int c, char **v) { counter(); printf("%%s %%.2f %%d\\n", VERSION, area(1.5), counter()); return c; }\n' > src/main.c
cat > Makefile <<'END'
CFLAGS = -O2 -Wall -Iinclude -DVERSION='"v1"'
OBJS = $(patsubst src/%.c,build/%.o,$(wildcard src/*.c))
all: app libshape.so
app: build/main.o libshape.a
	$(CC) -o $@ $^
libshape.a: build/area.o build/counter.o
	$(AR) rcsD $@ $^
libshape.so: src/area.c src/counter.c
	$(CC) $(CFLAGS) -fPIC -shared -o $@ $^
build/%.o: src/%.c include/shape.h | build
	$(CC) $(CFLAGS) -c -o $@ $<
build: ; mkdir -p $@
clean: ; rm -rf build app *.a *.so
.PHONY: all clean
END
make -s -j2; ls; ./app; echo "status $?"; make -q; echo "up to date $?"; touch -d '+1 hour' include/shape.h; make -n 2> /dev/null | grep -c shape; ar t libshape.a
gcc -Iinclude -DVERSION='"so"' src/main.c -L. -lshape -Wl,-rpath,"$PWD" -o dyn && ./dyn a b; echo "status $?"; ldd ./dyn | grep -c shape
gcc -static -Iinclude -DVERSION='"static"' src/*.c -o stat && ./stat; file -b stat 2> /dev/null | cut -d, -f1; nm -g libshape.a | grep -c ' T '; size app | tail -1 | wc -w; strip app && ./app; objdump -d stat --no-show-raw-insn 2> /dev/null | grep -c '<main>:'
gcc -S -o - src/area.c -Iinclude | grep -c area; echo 'int main( {' | gcc -x c - 2>&1 | grep -c error; echo 'int main(){return x;}' > bad.c; gcc bad.c; echo "gcc $?"; make nothing; echo "make $?"; printf 'fail:\n\tfalse\n' > fail.mk; make -f fail.mk ; echo "make $?"
gcc -g -fsanitize=undefined -x c -o ub - <<< 'int main(int c, char **v) { int x = 2147483647; return (x + c) == 0; }' 2> /dev/null; make -s clean; ls
echo 'int main() { return __builtin_popcount(0xff); }' | gcc -flto -O3 -march=x86-64-v2 -x c - -o pop && ./pop; echo $?; (as --version; ld --version) > /dev/null; echo $?
