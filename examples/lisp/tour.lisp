; A page of the language: numbers of any size, closures, tail calls, tables, errors.

(define (factorial n) (if (= n 0) 1 (* n (factorial (- n 1)))))
(print "30! = " (factorial 30))

(define (count-to n) (let loop ((i 0)) (if (< i n) (loop (+ i 1)) i)))
(print "a million tail calls: " (count-to 1000000))

(define (adder n) (lambda (m) (+ n m)))
(print "closures: " (map (adder 10) '(1 2 3)))

(define table (make-table))
(table-set! table 'one 1)
(table-set! table "two" 2.5)
(print "tables: " (table-ref table 'one #f) " " (table-ref table "two" #f) " " (table-ref table 'three 'none))

(print "sorted: " (sort '(3 1 4 1 5 9 2 6 5 3 5) <))
(print "errors: " (guard (e (#t (error-message e))) (car 5)))
(print "raised: " (guard (e ((symbol? e) (list 'caught e))) (raise 'boom)))
(print "quoted: " '(a (b . c) #(1 2) "text"))
(write "a \"quoted\" string\n")
(newline)
